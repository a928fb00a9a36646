"""How the page looks, and how its figures are drawn: in light and dark, on a wide screen and on a phone."""

__all__ = ["SCRIPT", "STYLE"]

STYLE = """
:root { color-scheme: light dark; --page: #ffffff; --ink: #1b1f24; --soft: #59636e; --line: #d5dae0; --box: #f5f7f9;
  --link: #0b5cad; --bad: #a8321d; --low: #f1f5fa; --high: #12508f;
  --c0: #1f6fb4; --c1: #c2570c; --c2: #2c7d46; --c3: #8a3ea8; --c4: #6d5a16; --c5: #b02a5c; }
@media (prefers-color-scheme: dark) { :root { --page: #14171b; --ink: #e6e9ec; --soft: #a1abb6; --line: #363d45;
  --box: #1d2126; --link: #7fb7f0; --bad: #ff9a85; --low: #1d2733; --high: #a9d1ff;
  --c0: #6fb1f0; --c1: #f0a05c; --c2: #74c68c; --c3: #cf9be6; --c4: #d8c46a; --c5: #f08cb0; } }
* { box-sizing: border-box; }
html { scroll-behavior: smooth; -webkit-text-size-adjust: 100%; }
body { margin: 0 auto; max-width: 60rem; padding: 1rem; background: var(--page); color: var(--ink);
  font: 16px/1.5 system-ui, "Noto Sans", "Noto Sans CJK SC", "PingFang SC", "Microsoft YaHei", sans-serif;
  overflow-wrap: anywhere; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: .5rem 0; }
h2 { font-size: 1.3rem; margin: 2.5rem 0 .5rem; padding-top: .5rem; border-top: 2px solid var(--line); }
h3 { font-size: 1.05rem; margin: 1.5rem 0 .25rem; }
h3.target { font-size: 1.15rem; background: var(--box); border-left: 4px solid var(--link); padding: .25rem .75rem; }
h4 { font-size: 1rem; margin: 1rem 0 .25rem; }
p { margin: .5rem 0; }
a { color: var(--link); }
nav ul { display: flex; flex-wrap: wrap; gap: .25rem 1rem; list-style: none; margin: 1rem 0; padding: 0; }
.note { color: var(--soft); font-size: .9rem; }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr)); gap: .5rem; margin: 1rem 0; padding: 0; }
.facts div { background: var(--box); border: 1px solid var(--line); border-radius: 6px; padding: .5rem .75rem; }
.facts dt { color: var(--soft); font-size: .85rem; }
.facts dd { margin: 0; font-size: 1.15rem; font-weight: 600; }
.warn { border-left: 4px solid var(--bad); background: var(--box); padding: .5rem .75rem; margin: .5rem 0; }
.scroll { overflow-x: auto; margin: .5rem 0; }
table { width: max-content; border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; color: var(--soft); padding: .25rem 0; }
th, td { text-align: left; padding: .3rem .7rem .3rem 0; border-bottom: 1px solid var(--line); vertical-align: top;
  max-width: 24rem; }
table, pre { overflow-wrap: break-word; }
thead th { color: var(--soft); font-weight: 600; }
tbody th { font-weight: 600; }
figure { margin: .75rem 0; }
.plot { width: 100%; }
details { margin: .5rem 0; }
summary { cursor: pointer; color: var(--link); }
pre { background: var(--box); border: 1px solid var(--line); border-radius: 6px; padding: .75rem; overflow-x: auto;
  font: .85rem/1.4 ui-monospace, monospace; }
code { font: .9em ui-monospace, monospace; }
.row { border: 1px solid var(--line); border-radius: 8px; padding: .5rem 1rem; margin: 1rem 0; overflow-x: auto; }
.diagram { overflow-x: auto; }
.diagram svg { max-width: 100%; min-width: 46rem; height: auto; }
footer { margin-top: 3rem; color: var(--soft); font-size: .85rem; }
@media (max-width: 480px) { body { padding: .75rem; } h1 { font-size: 1.4rem; } .row { padding: .5rem; }
  th, td { max-width: 14rem; } }
"""

SCRIPT = """
(() => {
  const dark = matchMedia('(prefers-color-scheme: dark)'), touch = matchMedia('(pointer: coarse)');
  const style = getComputedStyle(document.documentElement), colour = name => style.getPropertyValue('--' + name).trim();
  function look() {
    const line = {gridcolor: colour('line'), linecolor: colour('line'), zerolinecolor: colour('line'), automargin: true,
      fixedrange: touch.matches, title: {standoff: 8}};
    return {
      layout: {
        font: {color: colour('ink'), family: 'system-ui, sans-serif', size: 13},
        paper_bgcolor: 'rgba(0,0,0,0)', plot_bgcolor: 'rgba(0,0,0,0)', margin: {l: 48, r: 16, t: 16, b: 44},
        colorway: ['c0', 'c1', 'c2', 'c3', 'c4', 'c5'].map(colour), xaxis: line, yaxis: line,
        legend: {orientation: 'h', y: -0.25, x: 0}, xaxis2: line, dragmode: touch.matches ? false : 'zoom',
        hoverlabel: {bgcolor: colour('box'), bordercolor: colour('line'), font: {color: colour('ink')}},
        shapedefaults: {line: {color: colour('soft')}},
      },
      data: {heatmap: [{colorscale: [[0, colour('low')], [1, colour('high')]], showscale: false}]},
    };
  }
  function draw() {
    for (const box of document.querySelectorAll('.plot')) {
      const figure = JSON.parse(box.nextElementSibling.textContent);
      figure.layout.template = look();
      Plotly.react(box, figure.data, figure.layout, {responsive: true, displayModeBar: false});
    }
    document.documentElement.dataset.drawn = document.querySelectorAll('.plot .main-svg').length;
  }
  dark.addEventListener('change', draw);
  draw();
})();
"""
