"""What drawings say, by language."""

from sensorium.errors import ConfigError, did_you_mean

__all__ = ["PHRASES", "phrases"]

PHRASES: dict[str, dict[str, str]] = {
    "en": {
        "method.grad_cam": "where convolutions look (Grad-CAM, integrated)",
        "method.integrated_gradients": "integrated gradients",
        "method.rollout": "where attention looks (rollout), for no class in particular",
        "method.shapley": "pieces taken away (Shapley values)",
        "sum": "The values add up to {total}, as they should ({expected}).",
        "gap": "The values add up to {total}, not to {expected} as they should: take them with care.",
        "nosum": "The values show where, not how much: they add up to nothing.",
        "beside": "The linear part of the model adds {beside} for this input, which no piece shows.",
        "key": "Blue with solid marks (+) speaks for what is explained, orange with dots or stripes (−) against it.",
        "given": "the picture",
        "counts": "what counts",
        "unread": "not read: the text is longer than the model reads",
        "whole": "the whole",
        "span": "what counts most: {start} to {end} s",
        "spectrum": "frequency over time; brighter is louder",
        "file": "file {place}",
        "frame": "frame {place}",
        "step": "step {place}",
        "empty": "empty",
        "number": "number {place}",
        "rest": "the other {count}",
        "moves": "Arrows: what moves where.",
        "pictures": "pictures",
    },
    "zh": {
        "method.grad_cam": "卷积关注之处（积分 Grad-CAM）",
        "method.integrated_gradients": "积分梯度",
        "method.rollout": "注意力关注之处（rollout），不针对某一类",
        "method.shapley": "逐块移除（Shapley 值）",
        "sum": "各值之和为 {total}，与应有之值（{expected}）相符。",
        "gap": "各值之和为 {total}，而应为 {expected}：请谨慎看待。",
        "nosum": "这些值只表示位置，不表示大小，没有总和。",
        "beside": "模型的线性部分为此输入另加 {beside}，未分到任何一块。",
        "key": "蓝色实线（+）表示支持，橙色点线或条纹（−）表示反对。",
        "given": "图片",
        "counts": "起作用之处",
        "unread": "未读：文本超过模型可读的长度",
        "whole": "全部",
        "span": "最起作用的一段：{start} 至 {end} 秒",
        "spectrum": "时间与频率；越亮越响",
        "file": "文件 {place}",
        "frame": "第 {place} 帧",
        "step": "第 {place} 段",
        "empty": "空",
        "number": "第 {place} 个数",
        "rest": "其余 {count} 个",
        "moves": "箭头：运动的方向。",
        "pictures": "图片",
    },
}


def phrases(language: str) -> dict[str, str]:
    """What is said in a language.

    Raises:
        ConfigError: another language.
    """
    if language not in PHRASES:
        raise ConfigError(f"unknown language '{language}'. {did_you_mean(language, PHRASES)}")
    return PHRASES[language]
