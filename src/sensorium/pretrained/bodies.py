"""Pretrained networks as this package reads them: values and mask in, the tokens of every layer out."""

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from sensorium.encoders.mfcc import MelSpectrogram
from sensorium.errors import ConfigError
from sensorium.pretrained.source import Source

__all__ = ["Body", "States", "make_body"]

LOUDNESS = 1e-3  # mean square of a recording's samples, as VoiceEncoder wants it: -30 dB of the largest there can be
FAINTEST = 1e-10  # what is fainter is not made as loud as that


class States(NamedTuple):
    """What each layer says, the input's embedding first (all of them only where asked for): (B, T, hidden) each; which
    tokens are real (B, T)."""

    layers: tuple[Tensor, ...]
    mask: Tensor


class Body(nn.Module):
    """A network of others behind one signature.

    Args:
        network: from transformers, or one of this room.
        source: what it is and wants.
    """

    has_cls = False  # its first token stands for the whole
    mask_dims = 1

    def __init__(self, network: nn.Module, source: Source):
        super().__init__()
        self.network, self.source = network, source

    @property
    def hidden(self) -> int:
        """Numbers of a token."""
        config = getattr(self.network, "config", None)
        if config is None:
            return self.source.config["hidden_size"]
        sizes = getattr(config, "hidden_sizes", None)
        return int(sizes[-1] if sizes else getattr(config, "d_model", None) or config.hidden_size)

    @property
    def blocks(self) -> nn.ModuleList:
        """The stack of layers, the input's end first."""
        stacks = [module for module in self.network.modules() if isinstance(module, nn.ModuleList) and len(module)]
        return max(stacks, key=lambda stack: sum(parameter.numel() for parameter in stack.parameters()))

    @property
    def pooling(self) -> str:
        """How one vector is best made of its tokens."""
        if self.source.pooling is not None:
            return self.source.pooling
        return "cls" if self.has_cls and self.source.modality != "text" else "mean"

    @property
    def even(self) -> bool:
        """All layers have one width."""
        return self.source.kind not in {"clap", "convnext", "convnextv2", "efficientnet-lite", "ge2e", "resnet", "swin"}

    def keep_less(self) -> None:
        """While it learns, layers are computed again instead of kept: less memory, more time.

        Raises:
            ConfigError: the network can't do so.
        """
        if not getattr(self.network, "supports_gradient_checkpointing", False):
            raise ConfigError(f"checkpointing must be false; model '{self.source.name}' ({self.source.kind}) has none.")
        # Renamed within transformers 5.
        word = "activation" if hasattr(self.network, "activation_checkpointing_enable") else "gradient"
        getattr(self.network, f"{word}_checkpointing_enable")({"use_reentrant": False})

    def forward(self, values: Tensor, mask: Tensor, every: bool = False) -> States:
        """`every`: all layers, not the last alone."""
        raise NotImplementedError

    def _layers(self, said: Any, every: bool) -> tuple[Tensor, ...]:
        return tuple(said.hidden_states) if every else (said.last_hidden_state,)


class TextBody(Body):
    """values: token ids (B, T), of the model's own tokenizer; mask (B, T)."""

    mask_dims = 2

    def forward(self, values: Tensor, mask: Tensor, every: bool = False) -> States:
        padding = getattr(self.network.config, "pad_token_id", None)
        ids = values.where(mask, 0 if padding is None else padding)  # RoBERTa counts positions by it
        said = self.network(input_ids=ids, attention_mask=mask.long(), output_hidden_states=every)
        return States(self._layers(said, every), mask)

    @property
    def has_cls(self) -> bool:
        return self.source.kind not in {"clip", "siglip"}


class ImageBody(Body):
    """values: (B, 3, H, W), uint8 or 0..1; mask (B,)."""

    def __init__(self, network: nn.Module, source: Source):
        super().__init__(network, source)
        mean, deviation = (torch.tensor(part)[:, None, None] for part in source.scaling)
        self.register_buffer("mean", mean, persistent=False)
        self.register_buffer("deviation", deviation, persistent=False)

    @property
    def has_cls(self) -> bool:
        return self.source.kind in {"beit", "clip", "deit", "dinov2", "dinov2_with_registers", "vit"}

    def scaled(self, values: Tensor) -> Tensor:
        """As the network wants its colours; pictures channels last in memory, where convolutions are faster."""
        if values.dim() == 4:
            values = values.contiguous(memory_format=torch.channels_last)
        values = values.float() / 255 if values.dtype == torch.uint8 else values
        return (values - self.mean) / self.deviation

    def forward(self, values: Tensor, mask: Tensor, every: bool = False) -> States:
        pictures = self.scaled(values)
        if self.source.kind == "efficientnet-lite":
            layers: tuple[Tensor, ...] = (self.network(pictures),)
        else:
            layers = self._layers(self.network(pixel_values=pictures, output_hidden_states=every), every)
        layers = tuple(x.flatten(2).transpose(1, 2) if x.dim() == 4 else x for x in layers)  # (B, T, hidden)
        return States(layers, mask[:, None].expand(layers[-1].shape[:2]))


class VideoBody(ImageBody):
    """values: (B, frames, 3, H, W), uint8 or 0..1; mask (B, frames). Frames that are not real are black."""

    mask_dims = 2
    has_cls = False

    def forward(self, values: Tensor, mask: Tensor, every: bool = False) -> States:
        clips = self.scaled(values).masked_fill(~mask[:, :, None, None, None], 0)
        rows, frames = mask.shape
        if self.source.kind == "xclip":  # a network of pictures, that look at one another
            said = self.network(pixel_values=clips.flatten(0, 1), output_hidden_states=every)
            layers = tuple(
                x[:, 0].unflatten(0, (rows, frames)) for x in self._layers(said, every)
            )  # (B, frames, hidden)
            return States(layers, mask)
        layers = self._layers(self.network(pixel_values=clips, output_hidden_states=every), every)
        return States(layers, mask.any(1)[:, None].expand(layers[-1].shape[:2]))


class SoundBody(Body):
    """values: samples (B, S) from -1 to 1 at the source's rate; mask (B, S). For networks that read samples."""

    mask_dims = 2

    def forward(self, values: Tensor, mask: Tensor, every: bool = False) -> States:
        sound = values * mask
        if self.source.processing.get("do_normalize", True):
            count = mask.sum(1, keepdim=True).clamp(min=1)
            mean = sound.sum(1, keepdim=True) / count
            variance = ((sound - mean).square() * mask).sum(1, keepdim=True) / count
            sound = (sound - mean) / (variance + 1e-7).sqrt() * mask
        # Networks with group norm were trained without a mask: what follows the sound is silence to them.
        attends = self.network.config.feat_extract_norm == "layer"
        said = self.network(sound, attention_mask=mask.long() if attends else None, output_hidden_states=every)
        layers = self._layers(said, every)
        real = self.network._get_feat_extract_output_lengths(mask.sum(1)).clamp(min=1)  # (B,)
        return States(layers, torch.arange(layers[-1].shape[1], device=mask.device) < real[:, None])


class SpectrumBody(Body):
    """values, mask as of SoundBody. For networks that read a spectrogram, which their own extractor makes."""

    mask_dims = 2

    def __init__(self, network: nn.Module, source: Source, extractor: Any):
        super().__init__(network, source)
        self.extractor = extractor

    @property
    def has_cls(self) -> bool:
        return self.source.kind == "audio-spectrogram-transformer"

    def forward(self, values: Tensor, mask: Tensor, every: bool = False) -> States:
        lengths = mask.sum(1)
        sounds = [
            row[: max(1, int(n))].float().cpu().numpy().astype(np.float32)
            for row, n in zip(values, lengths, strict=True)
        ]
        made = self.extractor(sounds, sampling_rate=self.source.sample_rate, return_tensors="pt")
        key = "input_values" if "input_values" in made else "input_features"
        more = {"is_longer": made["is_longer"]} if "is_longer" in made else {}
        said = self.network(made[key].to(values.device), output_hidden_states=every, **more)
        layers = tuple(x.flatten(2).transpose(1, 2) if x.dim() == 4 else x for x in self._layers(said, every))
        there = torch.ones(layers[-1].shape[:2], dtype=torch.bool, device=mask.device)
        if self.source.kind == "whisper":  # two frames of 10 ms a token; what follows the sound is padding
            tokens = (lengths / self.source.sample_rate * 50).ceil().clamp(1, there.shape[1])
            there = torch.arange(there.shape[1], device=mask.device) < tokens[:, None]
        return States(layers, there)


class VoiceBody(Body):
    """values, mask as of SoundBody. For VoiceEncoder, which reads power in mel bands, of recordings made equally loud."""

    mask_dims = 2

    def __init__(self, network: nn.Module, source: Source):
        super().__init__(network, source)
        self.mel = MelSpectrogram(source.sample_rate, n_fft=400, hop_length=160, n_mels=40)  # 25 ms every 10 ms

    def forward(self, values: Tensor, mask: Tensor, every: bool = False) -> States:
        sound = values.float().masked_fill(~mask, 0)
        power = sound.square().sum(1, keepdim=True) / mask.sum(1, keepdim=True).clamp(min=1)  # (B, 1)
        mels, real = self.mel(sound * (LOUDNESS / power.clamp(min=FAINTEST)).sqrt(), mask)
        return States((self.network(mels),), real)


def make_body(network: nn.Module, source: Source, extractor: Any = None) -> Body:
    """The body for a network of a source's kind; `extractor`: of spectrograms, where it reads those."""
    if extractor is not None:
        return SpectrumBody(network, source, extractor)
    if source.kind == "ge2e":
        return VoiceBody(network, source)
    kinds = {"text": TextBody, "image": ImageBody, "video": VideoBody, "audio": SoundBody}
    return kinds[source.modality](network, source)
