"""Tiny random checkpoints of each family, as their makers' files would be laid out."""

import json
from pathlib import Path
from typing import Any

import torch
import transformers as hf
from tokenizers import Tokenizer, models, pre_tokenizers, processors

SMALL = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
PICTURE = {**SMALL, "image_size": 32, "patch_size": 8}
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "red", "blue", "circle", "square", "small", "large"]
POSITIONS = {"vocab_size": len(WORDS), "max_position_embeddings": 40, "pad_token_id": 0}
COLOURS = {"size": {"height": 32, "width": 32}, "image_mean": [0.4, 0.5, 0.6], "image_std": [0.2, 0.3, 0.4]}
SOUND = {**SMALL, "conv_dim": (8, 8), "conv_stride": (5, 4), "conv_kernel": (10, 8), "num_conv_pos_embeddings": 4,
         "num_conv_pos_embedding_groups": 2, "layerdrop": 0.0, "num_feat_extract_layers": 2}  # fmt: skip

FAMILIES: dict[str, tuple[str, Any, dict[str, Any]]] = {
    "bert": ("text", lambda: hf.BertModel(hf.BertConfig(**SMALL, **POSITIONS)), {}),
    "roberta": ("text", lambda: hf.RobertaModel(hf.RobertaConfig(**SMALL, **POSITIONS)), {}),
    "distilbert": (
        "text",
        lambda: hf.DistilBertModel(hf.DistilBertConfig(dim=16, n_layers=2, n_heads=2, hidden_dim=32, **POSITIONS)),
        {},
    ),
    "clip-text": ("text", lambda: hf.CLIPModel(_clip()), COLOURS),
    "vit": ("image", lambda: hf.ViTModel(hf.ViTConfig(**PICTURE)), COLOURS),
    "dinov2": ("image", lambda: hf.Dinov2Model(hf.Dinov2Config(**PICTURE)), COLOURS),
    "convnext": (
        "image",
        lambda: hf.ConvNextModel(hf.ConvNextConfig(hidden_sizes=[8, 8, 16, 16], depths=[1, 1, 1, 1])),
        {"size": {"shortest_edge": 32}},
    ),
    "resnet": (
        "image",
        lambda: hf.ResNetModel(hf.ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1])),
        {"size": {"shortest_edge": 32}},
    ),
    "clip-image": ("image", lambda: hf.CLIPModel(_clip()), COLOURS),
    "siglip": ("image", lambda: hf.SiglipModel(hf.SiglipConfig(text_config=_text(), vision_config=PICTURE)), COLOURS),
    "wav2vec2": ("audio", lambda: hf.Wav2Vec2Model(hf.Wav2Vec2Config(**SOUND, feat_extract_norm="layer")), {"sampling_rate": 8000}),
    "hubert": ("audio", lambda: hf.HubertModel(hf.HubertConfig(**SOUND, feat_extract_norm="layer")), {"sampling_rate": 8000}),
    "whisper": (
        "audio",
        lambda: hf.WhisperModel(hf.WhisperConfig(
            d_model=16, encoder_layers=2, decoder_layers=1, encoder_attention_heads=2, decoder_attention_heads=2,
            encoder_ffn_dim=32, decoder_ffn_dim=32, num_mel_bins=8, vocab_size=20, max_source_positions=50,
            pad_token_id=0, bos_token_id=1, eos_token_id=2, decoder_start_token_id=1)),
        {"sampling_rate": 16000, "feature_size": 8, "chunk_length": 1, "n_fft": 400, "hop_length": 160},
    ),
    "ast": (
        "audio",
        lambda: hf.ASTModel(hf.ASTConfig(**SMALL, max_length=64, num_mel_bins=32, patch_size=16)),
        {"sampling_rate": 16000, "max_length": 64, "num_mel_bins": 32},
    ),
    "clap": ("audio", lambda: hf.ClapModel(_clap()), {
        "sampling_rate": 48000, "feature_size": 64, "max_length_s": 1, "fft_window_size": 1024, "hop_length": 480,
        "truncation": "rand_trunc", "padding": "repeatpad"}),
    "videomae": ("video", lambda: hf.VideoMAEModel(hf.VideoMAEConfig(**PICTURE, num_frames=4, tubelet_size=2)), COLOURS),
    "timesformer": ("video", lambda: hf.TimesformerModel(hf.TimesformerConfig(**PICTURE, num_frames=4)), COLOURS),
    "xclip": ("video", lambda: hf.XCLIPModel(_xclip()), COLOURS),
}  # fmt: skip


def _text() -> dict[str, Any]:
    return {**SMALL, "vocab_size": len(WORDS), "max_position_embeddings": 40, "eos_token_id": 3, "pad_token_id": 0}


def _clip() -> Any:
    return hf.CLIPConfig(text_config=_text(), vision_config=PICTURE, projection_dim=8)


def _clap() -> Any:
    audio = {"patch_embeds_hidden_size": 8, "depths": [1, 1], "num_attention_heads": [1, 1], "num_mel_bins": 64,
             "spec_size": 128, "window_size": 4, "patch_size": 4, "hidden_size": 16}  # fmt: skip
    return hf.ClapConfig(text_config=_text(), audio_config=audio, projection_dim=8)


def _xclip() -> Any:
    vision = {
        **PICTURE,
        "num_frames": 4,
        "mit_hidden_size": 16,
        "mit_intermediate_size": 32,
        "mit_num_attention_heads": 2,
    }
    return hf.XCLIPConfig(text_config=_text(), vision_config=vision, projection_dim=8)


def save(family: str, folder: Path) -> str:
    """A checkpoint of the family in `folder`, whose path is given back."""
    modality, make, processing = FAMILIES[family]
    torch.manual_seed(0)
    make().save_pretrained(folder, safe_serialization=True)
    if processing:
        (folder / "preprocessor_config.json").write_text(json.dumps(processing))
    if modality == "text":
        save_tokenizer(folder)
    return str(folder)


def save_tokenizer(folder: Path, padding: bool = True) -> None:
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    special = {"unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"} | (
        {"pad_token": "[PAD]"} if padding else {}
    )
    hf.PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special).save_pretrained(folder)


def opened(family: str) -> Any:
    """The network that `save` saves."""
    torch.manual_seed(0)
    return FAMILIES[family][1]()
