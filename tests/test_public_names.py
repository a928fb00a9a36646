"""What users build on: the public names and their arguments, held here, so that no change goes unseen."""

import importlib
import inspect
import pkgutil

import pytest
from torch import nn

import sensorium
from sensorium import config, encoders, fusion, heads
from sensorium.build import FAMILIES, OF_BODY
from sensorium.errors import ConfigError

# Arguments with their defaults (`...`: a function); those after a star are given by name alone. Public methods of the
# front door's classes follow them. A changed line here belongs in the changelog.
PUBLIC = """
sensorium.Index(predictor, inputs, rows, vectors, graph=None)
sensorium.Index.save(folder)
sensorium.Index.search(query, top=10, say=...)
sensorium.MultimodalModel(encoders, fusion, heads, aligner=None, rebuilder=None)
sensorium.MultimodalModel.answer(features, made, own=None)
sensorium.MultimodalModel.as_measured()
sensorium.MultimodalModel.drop(inputs, keep)
sensorium.MultimodalModel.encode(inputs)
sensorium.MultimodalModel.encoder(modality)
sensorium.MultimodalModel.forward(inputs)
sensorium.MultimodalModel.head(target)
sensorium.MultimodalModel.heads_of(features)
sensorium.MultimodalModel.look(inputs)
sensorium.MultimodalModel.loss(outputs, targets, weights=None)
sensorium.Predictor(config, schema, readers, coders, model, metrics, history, found, run, calibration=None,
    out_of_fold=None)
sensorium.Predictor.anomalies(table, say=...)
sensorium.Predictor.anomaly(rows, media_root=None, say=...)
sensorium.Predictor.answers(table, say=..., coverage=None, sample=None)
sensorium.Predictor.embed(rows, inputs=None, media_root=None, say=...)
sensorium.Predictor.evaluate(rows, media_root=None, inputs=None, say=..., by=None)
sensorium.Predictor.explain(rows, numbers=None, target=None, label=None, parts=True, method='auto', media_root=None,
    say=...)
sensorium.Predictor.overview(rows, target=None, media_root=None, seed=0, out_of_fold=False, say=...)
sensorium.Predictor.parts()
sensorium.Predictor.predict(rows, media_root=None, say=..., sample=None)
sensorium.Predictor.predict_proba(rows, media_root=None, say=...)
sensorium.Predictor.predict_sets(rows, coverage=0.9, media_root=None, method='lac', say=...)
sensorium.Predictor.privacy(rows, train, shadows=0, seed=0, media_root=None, say=...)
sensorium.Predictor.report(rows=None, media_root=None, title='', language='en', time_limit=120, seed=0, say=...,
    single_rows=True)
sensorium.Predictor.robustness(rows, media_root=None, seed=0, time_limit=None, say=...)
sensorium.Predictor.save(path)
sensorium.Predictor.zero_shot(rows, classes, inputs=None, text=None, temperature=None, media_root=None, say=...)
sensorium.SensoriumError
sensorium.adapt(run, table, *, train='lora', target=None, valid=None, out=None, settings=(), ignore=(),
    modalities=None, media_root=None, resume=False, log=(), say=..., report=..., **training)
sensorium.compare(table, target=None, *, test=None, out='comparison', folds=None, seeds=1, pairs=False, fusions=None,
    jobs=1, time_limit=None, config=None, settings=(), ignore=(), modalities=None, media_root=None, split=None,
    say=..., **training)
sensorium.compress(run, table, *, out, shares=(0.5, 0.25), valid=None, unlabelled=None, test=None, media_root=None,
    temperature=4.0, soft=0.7, pruned=True, epochs=None, seed=None, say=...)
sensorium.encoders
sensorium.fit(table, target=None, *, valid=None, out=None, config=None, settings=(), ignore=(), modalities=None,
    media_root=None, resume=False, split=None, folds=None, domain=None, unlabelled=None, privacy=None,
    preset='balanced', start=None, devices=1, strategy='ddp', log=(), say=..., report=..., **training)
sensorium.fusion
sensorium.heads
sensorium.import_set(layout, folder, out=None, *, target=None, seed=0, say=...)
sensorium.load(run, key=None)
sensorium.pretrain(table, *, valid=None, out=None, config=None, settings=(), ignore=(), modalities=None,
    media_root=None, resume=False, split=None, log=(), say=..., report=..., **training)
sensorium.tune(table, target=None, *, valid=None, test=None, out='tuning', trials=30, time_limit=None, pruner='median',
    only=(), config=None, settings=(), ignore=(), modalities=None, media_root=None, split=None, say=..., report=...,
    several=None, **training)
sensorium.encoders.ENCODERS
sensorium.encoders.AudioLogMelTransformer(width=256, sample_rate=16000, n_mels=64, patch_frames=4, layers=4,
    num_heads=4, dropout=0.1)
sensorium.encoders.AudioMFCCCNN(width=256, sample_rate=16000, n_mfcc=20, n_mels=64, channels=(128, 128, 128),
    dropout=0.1)
sensorium.encoders.AudioMFCCRNN(width=256, sample_rate=16000, n_mfcc=20, n_mels=64, hidden=128, layers=1, dropout=0.1)
sensorium.encoders.Bag(encoder)
sensorium.encoders.Categorical(categories, width=256)
sensorium.encoders.Features(tokens, mask)
sensorium.encoders.ImageCNN(width=256, channels=(32, 64, 128), dropout=0.1, stride=1)
sensorium.encoders.ImageFlatCNN(width=64, size=(224, 224), channels=(32, 64))
sensorium.encoders.ImageResNet(width=256, channels=(32, 64, 128, 256), blocks=2, dropout=0.1)
sensorium.encoders.ImageViT(width=256, size=(64, 64), patch_size=8, layers=4, num_heads=4, dropout=0.1)
sensorium.encoders.Input(values, mask, known=None)
sensorium.encoders.Numeric(width=256)
sensorium.encoders.Pretrained(body, width=256, pooling='auto', layers='last', train='frozen', dropout=0.1,
    learning_rate=None, gradual=False)
sensorium.encoders.Tabular(width=256, numeric=0, categories=(), dropout=0.1)
sensorium.encoders.TextBag(vocabulary, width=256, dropout=0.3)
sensorium.encoders.TextRNN(vocabulary, width=256, layers=1, dropout=0.2)
sensorium.encoders.TextTransformer(vocabulary, width=256, layers=4, num_heads=4, max_tokens=512, dropout=0.1)
sensorium.encoders.VectorDense(size, width=256, dropout=0.1)
sensorium.encoders.VectorReLU(size, width=64)
sensorium.encoders.VideoCNN3D(width=256, channels=(24, 48, 96), dropout=0.1)
sensorium.encoders.VideoFrames(width=256, channels=(32, 64, 128), layers=2, num_heads=4, max_frames=64, dropout=0.1)
sensorium.encoders.VideoMotion(width=256, steps=16, grid=8, pictures=4, size=(64, 64), channels=(32, 64, 128),
    dropout=0.1)
sensorium.encoders.add(modality, name, cls)
sensorium.fusion.FUSIONS
sensorium.fusion.Attention(width=256, layers=2, num_heads=4, dropout=0.1)
sensorium.fusion.Bottleneck(width=256, tokens=4, layers=2, num_heads=4, dropout=0.1)
sensorium.fusion.Concat(width=256, dropout=0.0)
sensorium.fusion.Deep(width=256, layers=3, hidden=None, dropout=0.1)
sensorium.fusion.Experts(width=256, dropout=0.0)
sensorium.fusion.Film(width=256, dropout=0.0)
sensorium.fusion.Fusion(width=256, dropout=0.0)
sensorium.fusion.Gated(width=256, dropout=0.0)
sensorium.fusion.Late(width=256, weights='learned', dropout=0.0)
sensorium.fusion.LowRank(width=256, rank=4, dropout=0.0)
sensorium.fusion.Mean(width=256, dropout=0.0)
sensorium.fusion.PlainConcat(width=128, token_width=None, dropout=0.0)
sensorium.fusion.TensorFusion(width=256, size=None, most=4096, dropout=0.0)
sensorium.fusion.Weighted(width=256, dropout=0.0)
sensorium.fusion.add(name, cls)
sensorium.heads.HEADS
sensorium.heads.Binary(width=256, dropout=0.0, positive_weight=None, gamma=0.0, shift=0.0)
sensorium.heads.Classification(classes, width=256, dropout=0.0, weights=None, label_smoothing=0.0, gamma=0.0,
    shift=None)
sensorium.heads.Generation(language, width=256, prefix=8, max_tokens=64, end=0, dropout=0.0, learning_rate=None)
sensorium.heads.Multilabel(labels, width=256, dropout=0.0, positive_weights=None)
sensorium.heads.Regression(width=256, dropout=0.0, outputs=1)
sensorium.heads.add(name, cls)
"""
MODULES = [
    sensorium,
    *(importlib.import_module(m.name) for m in pkgutil.walk_packages(sensorium.__path__, "sensorium.")),
]
OPTIONS = [
    *((FAMILIES.get(m, m), kind, cls) for m, family in config.ENCODERS.items() for kind, cls in family.items() if kind != "auto"),
    *(("fusion", kind, cls) for kind, cls in config.FUSIONS.items()),
]
CLASSES = {**encoders.ENCODERS, "fusion": fusion.FUSIONS}


def spelt(name, function):
    """A name with its arguments as PUBLIC has them: no annotations, which Python prints in ways of its own."""
    signature = inspect.signature(function)
    plain = [
        p.replace(annotation=p.empty, default=... if inspect.isfunction(p.default) else p.default)
        for p in signature.parameters.values()
        if p.name != "self"
    ]
    return name + str(signature.replace(parameters=plain, return_annotation=signature.empty)).replace("Ellipsis", "...")


def lines(package):
    home = package.__name__
    for name in package.__all__:
        thing = getattr(package, name)
        if not callable(thing) or thing is sensorium.SensoriumError:
            yield f"{home}.{name}"
            continue
        yield spelt(f"{home}.{name}", thing)
        if inspect.isclass(thing) and package is sensorium:
            methods = [m for m, v in vars(thing).items() if inspect.isfunction(v) and not m.startswith("_")]
            yield from (spelt(f"{home}.{name}.{method}", getattr(thing, method)) for method in sorted(methods))


def test_public_names_and_their_arguments_are_as_listed():
    found = [line for package in (sensorium, encoders, fusion, heads) for line in lines(package)]
    assert found == PUBLIC.replace("\n    ", " ").strip().split("\n")


def test_every_module_lists_its_public_names_sorted():
    assert len(MODULES) >= 90
    with_list = [module for module in MODULES if not hasattr(module, "__path__") or hasattr(module, "__all__")]
    assert len(with_list) >= 85
    for module in with_list:
        names = module.__all__
        # Constants, classes, functions, as ruff sorts them.
        assert names == sorted(names, key=lambda n: (not n.isupper(), not n[0].isupper(), n)), module.__name__
        assert len(set(names)) == len(names), module.__name__
        missing = [name for name in names if not hasattr(module, name)]
        assert not missing, module.__name__
        assert module.__doc__, module.__name__


def test_the_package_shows_its_public_names_and_no_others():
    assert dir(sensorium) == sensorium.__all__
    with pytest.raises(AttributeError, match="module 'sensorium' has no attribute 'fti'"):
        _ = sensorium.fti


def test_every_type_of_the_options_is_a_component_and_the_other_way_round():
    assert len(OPTIONS) >= 22
    families = {FAMILIES.get(modality, modality) for modality in config.ENCODERS}
    assert families == set(encoders.ENCODERS)
    for modality, family in config.ENCODERS.items():
        assert set(family) - {"auto"} <= set(encoders.ENCODERS[FAMILIES.get(modality, modality)]), modality
    for modality, family in encoders.ENCODERS.items():
        assert set(family) == set(config.ENCODERS[modality]) - {"auto"}, modality
    assert set(config.FUSIONS) == set(fusion.FUSIONS)
    assert set(config.ENCODERS) == set(config.INPUTS)


@pytest.mark.parametrize(("family", "kind", "options"), OPTIONS)
def test_the_options_of_a_type_are_arguments_of_its_class(family, kind, options):
    takes = inspect.signature(CLASSES[family][kind]).parameters
    assert options.model_fields["type"].default == kind
    of_body = set(OF_BODY) if kind == "pretrained" else set()  # which `sensorium.pretrained` takes
    assert set(options.model_fields) - {"type"} - of_body <= set(takes)
    assert "width" in takes  # which build gives to each


@pytest.mark.parametrize("modality", sorted(config.INPUTS))
def test_an_inputs_own_encoder_is_of_its_modality(modality):
    default = config.INPUTS[modality].model_fields["encoder"].default
    assert config.ENCODERS[modality][default.type] is type(default)


@pytest.mark.parametrize(
    ("add", "known", "name", "message"),
    [
        (lambda cls: encoders.add("image", "cnn", cls), encoders.ENCODERS["image"], "ImageCNN",
         "encoder 'cnn' of modality 'image'"),
        (lambda cls: fusion.add("mean", cls), fusion.FUSIONS, "Mean", "fusion 'mean'"),
        (lambda cls: heads.add("binary", cls), heads.HEADS, "Binary", "head 'binary'"),
    ],
)  # fmt: skip
def test_a_taken_name_is_refused(add, known, name, message):
    before = dict(known)
    with pytest.raises(ConfigError) as error:
        add(nn.Identity)
    taken = ", ".join(sorted(known))
    assert str(error.value) == f"{message} must have a new name; got that of {name}. Taken: {taken}."
    assert known == before
