"""What a report says, in English and in Chinese."""

from collections.abc import Mapping

from sensorium.errors import ConfigError, did_you_mean

__all__ = ["LANGUAGES", "Words"]

LANGUAGES = {"en": "en", "zh": "zh-Hans"}  # by the option, the tag of the page


class Words:
    """The words of one language.

    Args:
        language: en or zh.

    Raises:
        ConfigError: another one.
    """

    def __init__(self, language: str):
        if language not in LANGUAGES:
            raise ConfigError(f"unknown language '{language}'. {did_you_mean(language, LANGUAGES)}")
        self.language, self.tag = language, LANGUAGES[language]
        self.place = list(LANGUAGES).index(language)

    def __call__(self, key: str, **values: object) -> str:
        """The words for a key, with values put in; as text, which is still to be escaped."""
        return WORDS[key][self.place].format(**values)

    def metric(self, name: str) -> str:
        """What a metric is called, as the rest of the program calls it; in Chinese with its translation before."""
        return self._beside(METRICS, name)

    def damage(self, kind: str) -> str:
        return self._beside(DAMAGE, kind)

    def modality(self, name: str) -> str:
        return self._beside(MODALITIES, name)

    def spent(self, name: str) -> str:
        """What the seconds of a fit were spent on."""
        return self._beside(SPENT, name)

    def curve(self, name: str) -> str:
        """A column of the history, such as `train_loss` or `valid_accuracy label`."""
        first, _, target = name.partition(" ")
        known = {"train_loss": "curves.train", "valid_loss": "curves.valid"}.get(first)
        return self(known) if known else target or self.metric(first.removeprefix("valid_"))

    def diagram(self) -> Mapping[str, str]:
        """The words in the picture of the network."""
        return {key: pair[self.place] for key, pair in DIAGRAM.items()}

    def _beside(self, table: Mapping[str, str], name: str) -> str:
        return f"{table[name]}（{name}）" if self.language == "zh" and name in table else name


METRICS = {
    "accuracy": "准确率", "macro_f1": "宏平均 F1", "balanced_accuracy": "平衡准确率", "log_loss": "对数损失", "ece": "期望校准误差",
    "roc_auc": "ROC 曲线下面积", "micro_f1": "微平均 F1", "exact": "完全匹配率", "r2": "决定系数", "rmse": "均方根误差", "mae": "平均绝对误差",
}  # fmt: skip
DAMAGE = {
    "blur": "模糊", "noise": "噪声", "jpeg": "JPEG 压缩", "occlusion": "遮挡", "typos": "错字", "dropped words": "丢词",
    "white noise": "白噪声", "babble": "人声干扰", "frozen frames": "画面冻结", "permuted": "打乱", "lost steps": "丢失片段",
}  # fmt: skip
MODALITIES = {
    "audio": "声音", "boolean": "是否", "categorical": "类别", "date": "日期", "identifier": "标识", "ignored": "忽略", "image": "图像",
    "numeric": "数值", "text": "文本", "vector": "向量", "video": "视频",
}  # fmt: skip
SPENT = {
    "reading": "读取",
    "wide": "线性部分",
    "training": "训练",
    "probes": "比较",
    "folds": "交叉验证",
    "total": "总计",
}
DIAGRAM = {
    "inputs": ("inputs", "输入"),
    "encoders": ("encoders", "编码器"),
    "fusion": ("fusion", "融合"),
    "heads": ("heads", "输出头"),
    "parameters": ("parameters", "参数"),
    "hand-made": ("hand-made features", "手工特征"),
    "alone": ("{} alone", "仅 {}"),
}
WORDS = {
    "page.title": ("Report on {name}", "{name} 报告"),
    "page.untitled": ("Report on a run", "运行报告"),
    "page.contents": ("Contents", "目录"),
    "page.made": ("Made by sensorium {version}. Nothing is fetched when this page is opened.",
                  "由 sensorium {version} 生成。打开本页不会访问网络。"),
    "page.no_script": ("The figures need JavaScript, which is switched off; the tables say the same.",
                       "图形需要 JavaScript（现已关闭）；表格内容与之相同。"),
    "section.glance": ("Task and data", "任务与数据"),
    "section.score": ("Score", "得分"),
    "section.errors": ("Where it is wrong", "错误分析"),
    "section.calibration": ("Calibration", "校准"),
    "section.robustness": ("Missing and damaged inputs", "输入缺失与损坏"),
    "section.importance": ("What each input is worth", "各输入的重要性"),
    "section.rows": ("Rows worth a look", "值得一看的行"),
    "section.problems": ("Problems in the data", "数据问题"),
    "section.curves": ("Learning curves", "学习曲线"),
    "section.model": ("The model", "模型"),
    "section.reproduce": ("How to reproduce it", "如何复现"),
    "none": ("none", "无"),
    "infinite": ("infinite", "无限"),
    "as_table": ("The same as a table", "以表格显示"),
    "rows.count": ("rows", "行数"),
    "absent.unknown": ("The run does not know which rows it was validated with (they came from memory, or an older version made "
                       "the run), so that this can't be shown. Give a table: sensorium report RUN TABLE.",
                       "此运行没有记录验证行（数据来自内存，或由旧版本生成），因此无法显示。请给出表格：sensorium report RUN TABLE。"),
    "absent.gone": ("The rows that the run was validated with are gone: the file {table} is not where it was. Give a table: "
                    "sensorium report RUN TABLE.",
                    "用于验证的数据已不存在：{table} 已不在原处。请给出表格：sensorium report RUN TABLE。"),
    "absent.changed": ("The rows that the run was validated with have changed: {table} is not the file that was read. Give a "
                       "table: sensorium report RUN TABLE.",
                       "用于验证的数据已改变：{table} 不再是当时读取的文件。请给出表格：sensorium report RUN TABLE。"),
    "absent.target": ("The run was pretrained, without a target: it answers nothing that could be looked at here.",
                      "此运行为预训练，没有目标列，因此没有可供分析的回答。"),
    "task.binary": ("one of two classes", "二分类"),
    "task.classification": ("one of several classes", "多分类"),
    "task.multilabel": ("several labels", "多标签"),
    "task.regression": ("a number", "数值回归"),
    "task.generation": ("a text", "文本生成"),
    "glance.target": ("target", "目标"),
    "glance.task": ("to be answered", "任务"),
    "glance.inputs": ("inputs", "输入数"),
    "glance.learned": ("rows learned from", "训练行数"),
    "glance.validated": ("rows validated with", "验证行数"),
    "glance.given": ("The report is on the {rows} rows of {table} where it does not say otherwise.",
                     "若无说明，本报告针对 {table} 的 {rows} 行。"),
    "glance.of_run": ("No table was given: the report is on the {rows} rows of {table} that the run was validated with. They "
                      "chose the best epoch, so that scores on new rows may be a little lower.",
                      "未给出表格：本报告针对 {table} 中用于验证的 {rows} 行。它们曾用于选择最佳轮次，因此新数据上的得分可能略低。"),
    "glance.validation_rows": ("Validation rows", "验证行"),
    "glance.unread": ("Column '{column}' can't be read in {count} of {rows} rows (first: {reason}): all scores here are with it "
                      "missing there. Where do its files lie now? --media-root says it.",
                      "列“{column}”在 {rows} 行中有 {count} 行无法读取（首个原因：{reason}），本报告在这些行中视其为缺失。"
                      "文件现在何处？可用 --media-root 指定。"),
    "glance.headline": ("{rows}: {metric} {value} for '{target}' (95 % interval {low} to {high}); always the same answer "
                        "would have {base}.",
                        "{rows}：目标“{target}”的{metric}为 {value}（95 % 区间 {low} 至 {high}）；总是给出同一回答则为 {base}。"),
    "glance.numbers": ("'{target}' of the training rows: mean {mean}, standard deviation {scale}.",
                       "训练行中“{target}”：均值 {mean}，标准差 {scale}。"),
    "glance.balance": ("Training rows by class of '{target}'", "“{target}”各类别的训练行数"),
    "glance.more_classes": ("{count} rarer classes are not shown.", "另有 {count} 个较少的类别未显示。"),
    "glance.columns": ("Columns of the table", "表格的列"),
    "glance.column": ("column", "列"),
    "glance.modality": ("what it is", "类型"),
    "glance.input": ("read as input", "所属输入"),
    "glance.missing": ("empty", "空值"),
    "glance.unique": ("different values", "不同取值"),
    "glance.reason": ("why", "判断依据"),
    "glance.is_target": ("the target", "目标"),
    "score.metric": ("metric", "指标"),
    "score.value": ("value", "值"),
    "score.interval": ("95 % interval", "95 % 区间"),
    "score.majority": ("always the same answer", "总是同一回答"),
    "score.mean": ("mean", "均值"),
    "score.spread": ("standard deviation over folds", "各折标准差"),
    "score.pair": ("query → finds", "查询 → 找到"),
    "score.retrieval": ("The run was pretrained, without a target. How often one input of a row finds the row's others among all "
                        "rows:", "此运行为预训练，没有目标列。由一行的一个输入在所有行中找到该行其他输入的比例："),
    "score.rows": ("{rows} rows of {table}; {left} left out, whose target is not known. Intervals: bootstrap over rows.",
                   "{table} 的 {rows} 行；另有 {left} 行目标未知，未计入。区间由对行的自助法得到。"),
    "score.of_fit": ("The {rows} validation rows of the fit. Intervals: bootstrap over rows.",
                     "训练时的 {rows} 个验证行。区间由对行的自助法得到。"),
    "score.none": ("'{target}' has no value in the validation rows and is not scored.", "验证行中没有“{target}”的值，未评分。"),
    "score.beside": ("{metric} beside single inputs and classical models", "{metric}：与单一输入及经典模型相比"),
    "score.how_beside": ("On the validation rows of the fit. Star: the model with its 95 % interval; dashed line: always the same "
                         "answer. The others: the model with that input alone; a linear model on what its encoder gives; a "
                         "classical model on hand-made features, which saw no network.",
                         "基于训练时的验证行。星形：模型及其 95 % 区间；虚线：总是同一回答。其余：仅用该输入的模型；"
                         "基于该编码器输出的线性模型；基于手工特征的经典模型（不用神经网络）。"),
    "score.no_probes": ("Single inputs and classical models were not compared while fitting (probes: off).",
                        "训练时没有与单一输入及经典模型比较（probes 关闭）。"),
    "score.model": ("model", "模型"),
    "score.all_inputs": ("all inputs", "全部输入"),
    "score.alone": ("model, this input alone", "模型，仅此输入"),
    "score.probes": ("linear on its encoder", "编码器上的线性模型"),
    "score.floors": ("classical model", "经典模型"),
    "score.skipped": ("Not compared, for want of time: {what}.", "因时间不足未比较：{what}。"),
    "score.folds": ("{count} folds", "{count} 折交叉验证"),
    "errors.none": ("The target has no classes or numbers to compare, or no known truth in these rows.",
                    "目标不是类别或数值，或这些行没有已知真值。"),
    "errors.confusion": ("Confusion matrix", "混淆矩阵"),
    "errors.how_confusion": ("Each row is a true class, each column an answer. The numbers count rows; the darker (in a dark "
                             "page, the lighter), the larger the share of the true class.",
                             "每行为真实类别，每列为回答；数字为行数，颜色越重（深色页面中越亮），占该真实类别的比例越大。"),
    "errors.other": ("{count} others", "其他 {count} 类"),
    "errors.most": ("Most frequent mistakes", "最常见的错误"),
    "errors.truth": ("truth", "真值"),
    "errors.answer": ("answer", "回答"),
    "errors.rows": ("rows", "行数"),
    "errors.row": ("row", "行"),
    "errors.label": ("label", "标签"),
    "errors.class": ("class", "类别"),
    "errors.precision": ("precision", "精确率"),
    "errors.recall": ("recall", "召回率"),
    "errors.share": ("share of rows", "占比"),
    "errors.area": ("area under ROC", "ROC 面积"),
    "errors.average": ("average precision", "平均精确率"),
    "errors.one_against": ("Each class against all others", "每类对其余各类"),
    "errors.roc": ("ROC curves", "ROC 曲线"),
    "errors.pr": ("Precision and recall", "精确率与召回率"),
    "errors.false": ("share of the others called so", "假阳性率"),
    "errors.true": ("share of the class found", "真阳性率"),
    "errors.no_curves": ("The rows are all of one class: there are no curves.", "所有行同属一类，无法绘制曲线。"),
    "errors.fitted": ("Answer beside truth", "回答与真值"),
    "errors.residuals": ("Residuals", "残差"),
    "errors.residual": ("answer - truth", "回答 - 真值"),
    "errors.histogram": ("How large the residuals are", "残差分布"),
    "errors.quantiles": ("Quantiles of the residuals: {values}.", "残差分位数：{values}。"),
    "calibration.temperature": ("temperature", "温度"),
    "calibration.ece": ("calibration error (ECE)", "期望校准误差"),
    "calibration.ece_equal_mass": ("ECE, bins of equal rows", "ECE（等量分箱）"),
    "calibration.brier": ("Brier score", "Brier 分数"),
    "calibration.deviation": ("typical error", "典型误差"),
    "calibration.within": ("errors within it", "误差在其内的比例"),
    "calibration.none": ("There is nothing to calibrate, or no known truth in these rows.", "无可校准之处，或这些行没有已知真值。"),
    "calibration.reliability": ("Confidence beside what was right", "置信度与实际正确率"),
    "calibration.how": ("Below the dotted line the model is surer than it may be, above it less sure. Larger points are of more "
                        "rows.", "点线以下表示过于自信，以上表示不够自信；点越大，行数越多。"),
    "calibration.confidence": ("mean confidence", "平均置信度"),
    "calibration.accuracy": ("share that was right", "正确比例"),
    "calibration.bin": ("confidence", "置信度"),
    "calibration.rows": ("rows", "行数"),
    "calibration.sets": ("Prediction sets", "预测集"),
    "calibration.set": ("Sets of classes for {asked} hold the truth in {covered} of the rows; {size} classes on average.",
                        "要求覆盖 {asked} 的类别集合在 {covered} 的行中包含真值，平均 {size} 个类别。"),
    "calibration.interval": ("Intervals for {asked} hold the truth in {covered} of the rows; their width is {size}.",
                             "要求覆盖 {asked} 的区间在 {covered} 的行中包含真值，宽度为 {size}。"),
    "robustness.subsets": ("Every subset of the inputs", "输入的各个子集"),
    "robustness.how_subsets": ("The score when only the inputs with a filled dot are there, best first. Dashed line: always the same answer.",
                               "只有实心圆点所示输入时的得分，从高到低。虚线：总是同一回答。"),
    "robustness.drawn": ("{shown} of {of} subsets are drawn, evenly from the best to the worst.",
                         "共 {of} 个子集，从好到差均匀绘出 {shown} 个。"),
    "robustness.none": ("The rows define no score.", "这些行无法计算得分。"),
    "robustness.nothing": ("nothing", "无输入"),
    "robustness.subset": ("inputs", "输入"),
    "robustness.count": ("how many", "个数"),
    "robustness.input": ("input", "输入"),
    "robustness.alone": ("alone", "仅此输入"),
    "robustness.without": ("without it", "去掉它"),
    "robustness.half": ("missing from half of the rows", "半数行缺失"),
    "robustness.damage": ("Growing damage", "逐渐损坏"),
    "robustness.how_damage": ("The score as one input gets worse, in four steps; the others stay whole.",
                              "一个输入分四级逐渐变差时的得分，其余输入保持完整。"),
    "robustness.of": ("Damage to '{input}'", "“{input}”受损"),
    "robustness.clean": ("whole", "完好"),
    "robustness.level": ("step of damage", "损坏级别"),
    "robustness.kind": ("damage", "损坏"),
    "robustness.amounts": ("amounts", "程度"),
    "robustness.rows": ("{rows} of {of} rows were asked.", "共 {of} 行，询问 {rows} 行。"),
    "importance.none": ("Answers that are texts have no one number to explain.", "文本回答没有可解释的单一数值。"),
    "importance.input": ("input", "输入"),
    "importance.present": ("rows with it", "含该输入的行"),
    "importance.size": ("moves the answer by", "平均改变回答"),
    "importance.worth": ("takes from the loss", "降低损失"),
    "importance.interval": ("95 % interval", "95 % 区间"),
    "importance.how_size": ("Mean absolute Shapley value of the explained number (a logit, or standard deviations of the target), "
                            "with its 95 % interval.",
                            "所解释数值（对数几率或目标标准差）的平均绝对 Shapley 值及其 95 % 区间。"),
    "importance.how_worth": ("How much of the fall of the loss is this input's share. Below 0: the model would be better off "
                             "without it.", "损失的下降中归于该输入的部分。小于 0 表示没有它模型会更好。"),
    "importance.sampled": ("Not all subsets of the inputs were asked; the values are estimates.", "未询问全部子集，各值为估计。"),
    "importance.some": ("{rows} of {of} rows were asked.", "共 {of} 行，询问 {rows} 行。"),
    "importance.pairs": ("Pairs of inputs", "成对输入"),
    "importance.how_pairs": ("Above 0 two inputs say more together than each by itself, below 0 they say the same twice.",
                             "大于 0 表示两个输入共同提供更多信息，小于 0 表示信息重复。"),
    "importance.pair": ("pair", "输入对"),
    "importance.rows": ("rows with both", "两者皆有的行"),
    "importance.mean": ("mean", "均值"),
    "importance.strength": ("mean size", "平均大小"),
    "importance.looks": ("Rows by what they rest on", "各行依靠什么"),
    "importance.alone": ("Rows that rest on one input alone: {count} ({share})", "只依靠一个输入的行：{count}（{share}）"),
    "importance.disagreements": ("Rows whose inputs pull to different answers: {count} ({share})", "各输入指向不同回答的行：{count}（{share}）"),
    "importance.turns": ("Rows whose answer is another one when an input is missing: {count} ({share})",
                         "缺少一个输入便改变回答的行：{count}（{share}）"),
    "importance.first": ("The first {count} are shown.", "仅显示前 {count} 行。"),
    "importance.row": ("row", "行"),
    "importance.answer": ("answer", "回答"),
    "importance.says": ("inputs alone say", "各输入单独的回答"),
    "importance.then": ("answer without it", "缺少时的回答"),
    "rows.none": ("There are no such rows, or the target is a text.", "没有这样的行，或目标为文本。"),
    "rows.hidden": ("Single rows were asked not to be shown.", "按要求不显示单独的行。"),
    "rows.how": ("Target '{target}'. What an input adds is its Shapley value; what is marked inside it moved the answer.",
                 "目标“{target}”。输入的贡献为其 Shapley 值；输入内标出的部分影响了回答。"),
    "rows.title": ("Row {row}: {answer}; truth {truth}", "第 {row} 行：{answer}；真值 {truth}"),
    "rows.right": ("Sure and right", "自信且正确"),
    "rows.wrong": ("Sure and wrong", "自信但错误"),
    "rows.disagreement": ("Inputs that disagree", "输入意见不一"),
    "rows.missing": ("Missing inputs", "输入缺失"),
    "rows.how_right": ("Right answers that the model was surest of, of different classes; of numbers the smallest errors.",
                       "模型最自信的正确回答（取自不同类别）；数值目标为误差最小的行。"),
    "rows.how_wrong": ("Wrong answers that the model was surest of; of numbers the largest errors. Look at their labels, too.",
                       "模型最自信的错误回答；数值目标为误差最大的行。也请检查其标签。"),
    "rows.how_disagreement": ("Inputs that pull most strongly against each other.", "各输入相互拉扯最强的行。"),
    "rows.how_missing": ("Rows in which most inputs are missing.", "缺失输入最多的行。"),
    "rows.no_such": ("There are none.", "没有。"),
    "rows.short": ("Shown without what is inside their inputs, so that the page stays small: {count} rows.",
                   "为控制页面大小，有 {count} 行未显示输入内部。"),
    "problems.warning": ("Warning:", "警告："),
    "problems.audit": ("Leaks and duplicates", "泄漏与重复"),
    "problems.how_audit": ("Of {rows} rows that were learned from.", "基于 {rows} 个训练行。"),
    "problems.no_audit": ("The rows that were learned from are not there any more: no look for leaks and duplicates.",
                          "训练数据已不在，未检查泄漏与重复。"),
    "problems.leak": ("Column '{column}' alone tells '{target}' in {share} of the rows: it may give it away.",
                      "列“{column}”单独即可在 {share} 的行中得出“{target}”，可能泄漏答案。"),
    "problems.named": ("Column '{column}' names '{target}' in {share} of the rows: it may give it away.",
                       "列“{column}”在 {share} 的行中写出了“{target}”，可能泄漏答案。"),
    "problems.duplicate": ("Column '{column}': {count} files: {kind}.", "列“{column}”：{count} 个文件：{kind}。"),
    "problems.of_fit": ("Cells that the fit could not use", "训练时无法使用的单元格"),
    "problems.of_rows": ("Cells of these rows that can't be used", "本报告各行中无法使用的单元格"),
    "problems.none": ("None.", "无。"),
    "problems.more": ("And {count} more.", "另有 {count} 个。"),
    "problems.labels": ("Labels of '{target}' that are likely wrong", "“{target}”可能有误的标签"),
    "problems.how_labels": ("Rows whose label the model finds unlikely, the worst first (confident learning): {count}.",
                            "模型认为标签不太可能的 {count} 行，最可疑者在前（置信学习）。"),
    "problems.no_labels": ("No label is likely wrong.", "没有可能有误的标签。"),
    "problems.column": ("column", "列"),
    "problems.kind": ("what happened", "情况"),
    "problems.count": ("cells", "单元格数"),
    "problems.row": ("row", "行"),
    "problems.reason": ("why", "原因"),
    "problems.label": ("label", "标签"),
    "problems.suggested": ("suggested", "建议"),
    "problems.quality": ("label quality", "标签质量"),
    "problem.broken": ("can't be read; used as missing", "无法读取，视为缺失"),
    "problem.cut": ("cut short", "被截短"),
    "problem.fallback": ("read in another, worse way", "以较差的方式读取"),
    "problem.no target": ("no target; the row is left out", "没有目标，该行未使用"),
    "curves.none": ("The run has no history of epochs.", "此运行没有逐轮记录。"),
    "curves.epochs": ("epochs", "轮数"),
    "curves.best": ("lowest validation loss in epoch", "验证损失最低的轮次"),
    "curves.seconds": ("whole time", "总时间"),
    "curves.stopped": ("It ended by: {reason}.", "结束原因：{reason}。"),
    "curves.epoch": ("epoch", "轮次"),
    "curves.loss": ("Loss", "损失"),
    "curves.train": ("training", "训练"),
    "curves.valid": ("validation", "验证"),
    "model.part": ("part", "部分"),
    "model.layer": ("layer", "层"),
    "model.parameters": ("parameters", "参数"),
    "model.input": ("takes", "输入形状"),
    "model.output": ("gives", "输出形状"),
    "model.flops": ("FLOPs a row", "每行浮点运算"),
    "model.privacy": ("Privacy", "隐私"),
    "model.total": ("{count} parameters in all. B is the number of rows.",
                    "共 {count} 个参数。B 为行数。"),
    "reproduce.seed": ("seed", "随机种子"),
    "reproduce.precision": ("precision", "精度"),
    "reproduce.total": ("time", "时间"),
    "reproduce.command": ("Command", "命令"),
    "reproduce.how": ("RUN is the folder of this run, whose config.yaml is complete; AGAIN is a new one. Libraries, their versions "
                      "and the processor decide how nearly the same it comes out.",
                      "RUN 为此运行的文件夹，其 config.yaml 是完整配置；AGAIN 为新文件夹。结果的一致程度取决于库版本与处理器。"),
    "reproduce.adapted": ("It went on from the run {run}: `sensorium adapt`.", "由运行 {run} 继续训练：`sensorium adapt`。"),
    "reproduce.data": ("Data", "数据"),
    "reproduce.side": ("rows", "用途"),
    "reproduce.train": ("learned from", "训练"),
    "reproduce.valid": ("validated with", "验证"),
    "reproduce.table": ("file", "文件"),
    "reproduce.sha256": ("SHA-256", "SHA-256"),
    "reproduce.versions": ("Versions", "版本"),
    "reproduce.library": ("library", "库"),
    "reproduce.version": ("version", "版本"),
    "reproduce.time": ("Where the time went", "时间分布"),
    "reproduce.step": ("step", "步骤"),
    "reproduce.seconds": ("seconds", "秒"),
    "reproduce.config": ("The whole configuration", "完整配置"),
}  # fmt: skip
