"""How explanations look, in light and in dark."""

__all__ = ["MINUS", "PLUS", "STYLE"]

PLUS, MINUS = (0, 120, 175), (214, 84, 20)  # told apart by all eyes; what speaks against is striped besides

STYLE = """
.sxp{--plus:#0b6e99;--minus:#b3401d;--plus-bg:0,120,175;--minus-bg:214,84,20;--soft:#6b6b6b;--rule:#c9c9c9;margin:.6em 0;
max-width:100%}
.sxp figcaption{font-size:.9em;margin-bottom:.3em}.sxp-soft{color:var(--soft);font-size:.85em;margin:.3em 0}
.sxp-row{display:flex;flex-wrap:wrap;gap:.5em;align-items:flex-start}.sxp-row>*{margin:0}
.sxp img{max-width:100%;height:auto;display:block;border-radius:3px}.sxp audio{max-width:100%;height:2.2em}
.sxp .sxp-text{color:inherit;line-height:1.9;overflow-wrap:anywhere;white-space:pre-wrap}.sxp-text mark{color:inherit;border-radius:2px;padding:.1em 0}
.sxp-text mark.p{background:rgba(var(--plus-bg),var(--a));border-bottom:2px solid var(--plus)}
.sxp-text mark.m{background:rgba(var(--minus-bg),var(--a));border-bottom:2px dotted var(--minus)}
.sxp-text mark sup{font-size:.65em;font-weight:700}.sxp-text .unread{opacity:.5;font-style:italic}
.sxp-bars{border-collapse:collapse;font-size:.9em}.sxp-bars td{padding:.1em .5em;vertical-align:middle}
.sxp-bars td.n{text-align:right;font-variant-numeric:tabular-nums}.sxp-bars td.c{max-width:16em;overflow-wrap:anywhere}
.sxp svg{display:block;max-width:100%}.sxp svg .p{fill:var(--plus)}.sxp svg .m{fill:var(--minus);fill-opacity:.55;stroke:var(--minus);
stroke-dasharray:2 1}.sxp svg .axis{stroke:var(--rule)}.sxp svg text{fill:currentColor;font-size:10px}
.sxp svg .span{fill:none;stroke:currentColor;stroke-width:1.5;stroke-dasharray:5 3}
.sxp-line{display:flex;gap:3px;overflow-x:auto;padding-bottom:.3em}.sxp-line figure{margin:0;flex:0 0 auto;text-align:center;
font-size:.75em;border:2px solid transparent;border-radius:4px}.sxp-line figure.top{border-color:currentColor}
.sxp-line figure.top figcaption::before{content:"★ "}.sxp-line figcaption{margin:0}
@media (prefers-color-scheme:dark){.sxp{--plus:#6cc3ea;--minus:#f2906d;--plus-bg:108,195,234;--minus-bg:242,144,109;--soft:#a8a8a8;
--rule:#555}}
"""
