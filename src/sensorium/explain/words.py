"""What fragments of pages say, by language."""

from sensorium.errors import ConfigError, did_you_mean

__all__ = ["words_of"]

WORDS = {
    "en": {
        "row": "row",
        "answer": "answer",
        "truth": "truth",
        "explained": "Explained: {what}. It is {base} without any input and {output} with all that the row has.",
        "logit": "the logit of '{name}', before calibration",
        "number": "the number in standard deviations of the target",
        "sums": "The values add up to the difference, {total}.",
        "short": "The values lack {gap} to the difference.",
        "sampled": "Not all subsets of the inputs were asked; the values are estimates.",
        "input": "input",
        "adds": "adds",
        "alone": "alone says",
        "without": "without it",
        "missing": "missing",
        "pair": "pair",
        "together": "adds together",
        "pairs": "What pairs do together",
        "inside": "What counts inside each input",
        "overview": "What answers to '{target}' come from",
        "asked": "{rows} of {of} rows",
        "present": "rows with it",
        "size": "moves the answer by",
        "worth": "takes from the loss",
        "interval": "95 %",
        "rows": "rows",
        "mean": "mean",
        "mean_size": "mean size",
        "rests": "Rows that rest on one input",
        "disagreements": "Rows whose inputs pull to different answers",
        "turns": "Rows whose answer turns when an input is missing",
        "label_errors": "Rows whose label is likely wrong",
        "says": "inputs alone say",
        "label": "label",
        "suggested": "suggested",
        "quality": "label quality",
        "pull": "pull",
        "none": "none",
        "more": "and {count} more",
    },
    "zh": {
        "row": "行",
        "answer": "回答",
        "truth": "真值",
        "explained": "所解释的是{what}：没有任何输入时为 {base}，有该行全部输入时为 {output}。",
        "logit": "“{name}”的对数几率（校准之前）",
        "number": "以目标标准差为单位的数值",
        "sums": "各值之和等于差值 {total}。",
        "short": "各值之和与差值相差 {gap}。",
        "sampled": "未询问输入的全部子集，各值为估计。",
        "input": "输入",
        "adds": "贡献",
        "alone": "单独时回答",
        "without": "缺少时回答",
        "missing": "缺失",
        "pair": "输入对",
        "together": "共同贡献",
        "pairs": "成对输入的共同作用",
        "inside": "各输入内部起作用之处",
        "overview": "“{target}”的回答从何而来",
        "asked": "共 {of} 行，询问 {rows} 行",
        "present": "含该输入的行",
        "size": "平均改变回答",
        "worth": "降低损失",
        "interval": "95 % 区间",
        "rows": "行数",
        "mean": "均值",
        "mean_size": "平均大小",
        "rests": "只依靠一个输入的行",
        "disagreements": "各输入指向不同回答的行",
        "turns": "缺少一个输入便改变回答的行",
        "label_errors": "标签可能有误的行",
        "says": "各输入单独的回答",
        "label": "标签",
        "suggested": "建议",
        "quality": "标签质量",
        "pull": "拉力",
        "none": "无",
        "more": "另有 {count} 行",
    },
}


def words_of(language: str) -> dict[str, str]:
    """The words of a language, by what they are for.

    Raises:
        ConfigError: there is no such language.
    """
    if language not in WORDS:
        raise ConfigError(f"unknown language '{language}'. {did_you_mean(language, WORDS)}")
    return WORDS[language]
