"""The sections of the configuration; those of its inputs, encoders and fusions are beside this file.

An option left at None gets its value from the table (see `sensorium.completion.complete`).
"""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from sensorium.config.ensemble import Ensemble
from sensorium.config.fusions import Gated
from sensorium.config.part import Options

__all__ = [
    "Balance",
    "Config",
    "Domain",
    "Imbalance",
    "LimitOptions",
    "Pretraining",
    "Privacy",
    "Split",
    "Target",
    "TextTarget",
    "Training",
]


class Target(Options):
    task: Literal["classification", "generation", "multilabel", "regression"] | None = Field(
        None, description="what is to be learned; generation has the options of `TextTarget`"
    )
    weight: float = Field(1.0, gt=0, description="this target's share of the loss beside other targets")
    class_weights: Literal["auto", "none"] = Field(
        "auto", description="auto: rare classes count more, where imbalance.method trains by class weights"
    )
    label_smoothing: float = Field(0.05, ge=0, lt=1, description="share of a class's probability spread over all")
    dropout: float = Field(0.1, ge=0, lt=1, description="probability, before the head")


class TextTarget(Options):
    """A text that a language model is to write: a caption, or the answer to a question."""

    task: Literal["generation"] = "generation"
    model: str = Field(description="causal language model: a folder, or a name on the Hugging Face hub")
    train: Literal["lora", "frozen", "all"] = Field("lora", description="what of the language model learns")
    max_tokens: int | None = Field(
        None, ge=2, le=4096, description="of a text, with its end; None: as the longest to learn from, 256 at most"
    )
    prefix: int = Field(8, ge=1, le=512, description="tokens that the fused vector becomes")
    prompt: str | None = Field(None, description="column of what is asked, which stands before the text")
    weight: float = Field(1.0, gt=0, description="this target's share of the loss beside other targets")
    dropout: float = Field(0.1, ge=0, lt=1, description="probability, before the head")
    learning_rate: float | None = Field(
        None, gt=0, description="of the language model's own weights at the peak; None: 5e-5, of lora 5e-4"
    )
    rank: int = Field(8, ge=1, le=1024, description="of lora")
    alpha: float = Field(16.0, gt=0, description="of lora: its strength is alpha / rank")


class Imbalance(Options):
    """What is done for rare classes of binary and classification targets; labels and numbers are left as they are.

    auto, threshold and gan train as class_weights does, then change the head or its answers alone, by the validation
    rows; the others change the training itself.
    """

    method: Literal[
        "auto", "class_balanced", "class_weights", "focal", "gan", "logit_adjustment", "none", "oversampling",
        "threshold", "undersampling", "weighted_sampling",
    ] = Field("class_weights", description="class_weights: by the square root of the inverse frequency")  # fmt: skip
    gamma: float = Field(2.0, ge=0, le=10, description="of focal: how much less a row counts that is answered well")
    beta: float = Field(0.999, ge=0, lt=1, description="of class_balanced: 0 even weights, near 1 inverse frequency")
    tau: float = Field(1.0, ge=0, le=10, description="of logit_adjustment: share of the classes' log frequency")
    gan_steps: int = Field(400, ge=1, le=100_000, description="steps of the generator, each of 5 of its critic")
    gan_noise: int = Field(16, ge=1, le=4096, description="numbers that a generated vector is made from")
    gan_hidden: int = Field(128, ge=1, le=4096, description="units of each layer of generator and critic")
    gan_penalty: float = Field(0.5, ge=0, le=1000, description="weight of the critic's gradient penalty")


class Balance(Options):
    """What is done where one input learns faster than the others, which then learn nothing; of two or more inputs."""

    method: Literal["auto", "auxiliary", "blending", "none", "ogm_ge", "warm_start"] = Field(
        "auto", description="auto: an input that does better alone keeps a network of its own, besides"
    )
    weight: float = Field(0.5, gt=0, le=100, description="of auxiliary: of an input's own loss")
    alpha: float = Field(
        1.0, ge=0, le=100, description="of ogm_ge: how much less of a leading input's gradient is kept"
    )
    every: int = Field(2, ge=1, description="of blending: epochs from one estimate of the weights to the next")
    share: float = Field(0.3, gt=0, lt=1, description="of warm_start: part of the training in which inputs learn alone")


class Domain(Options):
    """Alignment of domains while training, so that what is fused tells little of where a row is from."""

    column: str | None = Field(
        None,
        description="that names each row's domain, such as a speaker; it is no input; rows without one take no part",
    )
    method: Literal["coral", "dann", "mmd"] = Field(
        "mmd",
        description="coral, mmd: distances of the domains in a batch; dann: a network that tells the domain is deceived",
    )
    weight: float | None = Field(
        None, gt=0, le=10_000, description="of the alignment beside the targets' loss; the method's own where left out"
    )


class Split(Options):
    """Which rows validate, where no table of them is given; how many, training.valid_share says."""

    by: str | None = Field(None, description="column; rows with one value of it stay on one side")
    time: str | None = Field(None, description="column of dates or numbers; the latest rows validate")
    duplicates: Literal["bytes", "near", "none"] = Field(
        "bytes", description="rows that share a media file stay on one side; near: near-same pictures count, too"
    )
    folds: Annotated[int, Field(ge=2)] | Literal["each"] | None = Field(
        None,
        description="models, each checked with the rows that the others learn from; each: one for each value of split.by",
    )


class Training(Options):
    epochs: int | None = Field(
        None, ge=0, description="passes over the rows, at most; 0: no network, the linear model answers alone"
    )
    batch_size: int | None = Field(None, ge=1, description="rows at once, and a step where none are accumulated")
    accumulate: int = Field(1, ge=1, description="so many times batch_size rows a step, which need no more memory")
    learning_rate: float | None = Field(None, gt=0, description="of AdamW, at its peak")
    weight_decay: float = Field(0.02, ge=0, description="of AdamW")
    warmup: float = Field(0.1, ge=0, lt=1, description="share of the steps in which the learning rate rises")
    schedule: Literal["cosine", "constant"] = Field("cosine", description="the learning rate after the warm-up")
    patience: int | None = Field(None, ge=1, description="epochs without a better validation loss before stopping")
    gradient_clip: float = Field(1.0, gt=0, description="largest norm of the gradient")
    valid_share: float = Field(0.15, gt=0, lt=1, description="share of the rows kept for validation, without --valid")
    modality_dropout: float = Field(
        0.15, ge=0, lt=1, description="probability that a row's input is hidden in training"
    )
    wide: bool = Field(
        True, description="beside the network, a linear model of hand-made features; validation rows decide its share"
    )
    refit: bool = Field(
        True, description="once all is chosen and measured, the linear model learns from the validation rows, too"
    )
    pretrained: bool = Field(False, description="encoders that are not written are pretrained ones, where installed")
    augment: bool = Field(True, description="shift and vary images, clips, sounds and words in training")
    precision: Annotated[Literal["auto", "32", "bf16"], BeforeValidator(lambda v: "32" if v == 32 else v)] = Field(
        "auto", description="auto: bf16 where the processor is faster so"
    )  # YAML reads 32 as a number
    time_limit: float | None = Field(None, gt=0, description="s; training stops in time to be saved by then")
    probes: bool = Field(True, description="score every input alone after training (at most a third of the time)")
    seed: int = Field(0, ge=0, description="of weights, order, dropout and the split")
    threads: int | None = Field(None, ge=1, description="of torch; as many as processors where left out")
    cache_size: int = Field(10_000, ge=0, description="MB of decoded media kept on disk for all runs; 0: none")
    memory: int = Field(
        4096,
        ge=0,
        description="MB of decoded media kept at hand: of one shape in a scratch file, others in memory where the cache lacks them",
    )
    workers: int | None = Field(
        None, ge=0, description="processes that decode; one a processor where left out; 0: none"
    )
    strict: bool = Field(False, description="a file that can't be read is an error, not a missing input")
    redact: bool = Field(
        False,
        description="addresses and numbers of people in texts are replaced, now and in answers: see docs/leaks.md",
    )
    blur_faces: bool = Field(False, description="faces in pictures are blurred, now and in answers: see docs/leaks.md")


class Pretraining(Options):
    """What is learned from rows without labels (`sensorium pretrain`)."""

    contrastive: float = Field(1.0, ge=0, le=100, description="weight of bringing the inputs of a row together")
    reconstruction: float = Field(1.0, ge=0, le=100, description="weight of rebuilding what is hidden")
    size: int = Field(128, ge=2, le=4096, description="numbers of the vectors that are brought together")
    temperature: float = Field(0.1, gt=0, le=10, description="that the contrast starts with; it is learned")
    mask_share: float = Field(0.25, ge=0, lt=1, description="share of each input's parts that is hidden")
    hide: float = Field(0.5, ge=0, lt=1, description="probability that a row's whole input is hidden and rebuilt")


class Privacy(Options):
    """Learning by gradients that are cut and made noisy, so that a model tells little of any one row: see docs/privacy.md."""

    epsilon: float | None = Field(
        None, ge=0.01, le=1000, description="the budget: the smaller, the less can be told of a row; None: no privacy"
    )
    delta: Annotated[float, Field(gt=0, lt=1)] | Literal["auto"] = Field(
        "auto", description="probability that epsilon does not hold; auto: the smaller of 1e-5 and a tenth of 1 / rows"
    )
    clip: float = Field(1.0, gt=0, description="largest norm of a row's gradient, over all parameters")
    noise: float | None = Field(
        None,
        gt=0,
        description="deviation of the noise, in clips; None: found from epsilon, so that all epochs are done",
    )
    physical_batch: int | None = Field(
        None, ge=1, description="rows whose gradients are held in memory at once; None: 256 MB of them, 64 at most"
    )
    secure_noise: bool = Field(False, description="noise of five draws each, against attacks on floating-point numbers")


class LimitOptions(Options):
    max_pixels: int = Field(200_000_000, ge=1, description="pixels of one picture or frame")
    max_seconds: float = Field(14400.0, gt=0, description="s of one recording or clip")
    max_bytes: int = Field(2**31, ge=1, description="bytes of one file")
    decode_seconds: float = Field(60.0, gt=0, description="s that decoding one file may take")
    decode_memory: int = Field(2048, ge=64, description="MB that decoding one file may take")


class Config(Options):
    """The whole configuration. `inputs` and `targets` may be empty: `sensorium.completion.complete` fills them."""

    inputs: dict[str, Any] = Field(default_factory=dict)
    fusion: Any = Gated()
    targets: dict[str, Target | TextTarget] = Field(default_factory=dict)
    imbalance: Imbalance = Imbalance()
    balance: Balance = Balance()
    domain: Domain = Domain()
    split: Split = Split()
    pretraining: Pretraining = Pretraining()
    privacy: Privacy = Privacy()
    training: Training = Training()
    ensemble: Ensemble = Ensemble()
    limits: LimitOptions = LimitOptions()
