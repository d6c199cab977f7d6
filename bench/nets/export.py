"""Writes real networks as ONNX files, with inputs and what ONNX Runtime answers.

Weights come from a seed; nothing is downloaded. A network is written by the
TorchScript exporter (opset 17; "ts") and by torch.export (opset 18; "dynamo"),
with the shapes as they are ("static") and with open ones ("open"). NAME.npz holds
for each set of inputs the arrays "in0/x", "out0/y", "in1/x", …: the second set, of
other sizes, is there for open shapes only.

    python export.py FOLDER [NAME…]      NAME is a network, or NAME.ts.open
    python export.py --list

torch 2.7.1, torchvision 0.22.1, transformers 4.57.6, onnxscript 0.7.2, onnx 1.23.2,
onnxruntime 1.32.0, numpy 2.4.6
"""

import dataclasses
import json
import pathlib
import sys
import warnings
from collections.abc import Callable

import numpy as np
import onnxruntime
import torch
import torchvision
from torch import nn
from torch.nn import functional as F
from transformers import BertConfig, BertModel, WhisperConfig
from transformers.models.whisper.modeling_whisper import WhisperEncoder

OPSET = {"ts": 17, "dynamo": 18}


@dataclasses.dataclass(frozen=True)
class Net:
    make: Callable[[], nn.Module]
    inputs: Callable[..., dict[str, torch.Tensor]]  # of the open sizes, in the order of sizes
    sizes: dict[str, tuple[int, int]]  # open dimensions: the usual size and another
    axes: dict[str, dict[int, str]]  # of inputs, by name and dimension
    outputs: tuple[str, ...] = ("y",)
    multiple: dict[str, int] = dataclasses.field(default_factory=dict)


def picture(make, size=224, open_size=True, other=(256, 192), outputs=("y",), step=1):
    """A network of pictures: its batch is open, and its height and width may be."""
    sizes, axes = {"batch": (1, 2)}, {0: "batch"}
    if open_size:
        sizes |= {"height": (size, other[0]), "width": (size, other[1])}
        axes |= {2: "height", 3: "width"}

    def inputs(batch, height=size, width=size):
        return {"x": torch.randn(batch, 3, height, width)}

    return Net(make, inputs, sizes, {"x": axes}, outputs, {"height": step, "width": step})


def vision(name, **more):
    def make():
        kwargs = {"weights": None}
        if name in ("googlenet", "inception_v3"):
            kwargs |= {"init_weights": True, "aux_logits": True, "transform_input": True}
        net = getattr(torchvision.models, name)(**kwargs)
        if name.startswith("vit"):
            nn.init.normal_(net.heads.head.weight, std=0.1)  # which begins as zeros
        return net

    return picture(make, **more)


class Segmentation(nn.Module):
    def __init__(self, make):
        super().__init__()
        self.net = make(weights=None, weights_backbone=None, num_classes=21)

    def forward(self, x):
        return self.net(x)["out"]


class Detector(nn.Module):
    """A detector of torchvision, for one picture: boxes, scores, labels."""

    def __init__(self, make):
        super().__init__()
        self.net = make(weights=None, weights_backbone=None, num_classes=21)

    def forward(self, x):
        out = self.net([x[0]])[0]
        return out["boxes"], out["scores"], out["labels"]


class Block(nn.Module):
    """A cross stage partial block of SiLU convolutions."""

    def __init__(self, channels):
        super().__init__()
        self.first = conv(channels, channels, 1)
        self.body = nn.Sequential(conv(channels // 2, channels // 2), conv(channels // 2, channels // 2))
        self.last = conv(channels + channels // 2, channels, 1)

    def forward(self, x):
        a, b = self.first(x).chunk(2, 1)
        return self.last(torch.cat((a, b, b + self.body(b)), 1))


def conv(cin, cout, kernel=3, stride=1):
    return nn.Sequential(
        nn.Conv2d(cin, cout, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(cout), nn.SiLU()
    )


class Yolo(nn.Module):
    """An anchor-free detector with its suppression inside: rows of
    [box, score, class] as NonMaxSuppression orders them."""

    def __init__(self, classes=20, bins=8):
        super().__init__()
        self.classes, self.bins = classes, bins
        self.stem = nn.Sequential(conv(3, 16, 3, 2), conv(16, 32, 3, 2), Block(32), conv(32, 64, 3, 2), Block(64))
        self.deep = nn.Sequential(conv(64, 128, 3, 2), Block(128))
        self.up = nn.Upsample(scale_factor=2, mode="nearest")
        self.mix = nn.Sequential(conv(192, 64, 1), Block(64))
        self.heads = nn.ModuleList(
            nn.Sequential(conv(c, 64), nn.Conv2d(64, 4 * bins + classes, 1)) for c in (64, 128)
        )

    def forward(self, x):
        fine = self.stem(x)
        deep = self.deep(fine)
        fine = self.mix(torch.cat((self.up(deep), fine), 1))
        boxes, scores = [], []
        for y, stride, head in ((fine, 8, self.heads[0]), (deep, 16, self.heads[1])):
            y = head(y)
            h, w = y.shape[2], y.shape[3]
            sides, logits = y.split((4 * self.bins, self.classes), 1)
            sides = sides.view(y.shape[0], 4, self.bins, h * w).softmax(2)
            sides = (sides * torch.arange(self.bins, dtype=y.dtype).view(1, 1, -1, 1)).sum(2)
            at = torch.stack(
                (
                    (torch.arange(w) + 0.5).view(1, w).expand(h, w).reshape(-1),
                    (torch.arange(h) + 0.5).view(h, 1).expand(h, w).reshape(-1),
                )
            )
            low, high = at - sides[:, :2], at + sides[:, 2:]
            boxes.append(torch.cat((low, high), 1) * stride)
            scores.append(logits.flatten(2).sigmoid())
        boxes, scores = torch.cat(boxes, 2).transpose(1, 2)[0], torch.cat(scores, 2)[0]
        best, label = scores.max(0)
        keep = torchvision.ops.nms(boxes, best, 0.5)[:30]
        return torch.cat((boxes[keep], best[keep, None], label[keep, None].to(boxes.dtype)), 1)


class Bert(nn.Module):
    """The hidden states of the last layer."""

    def __init__(self, attention, **config):
        super().__init__()
        self.bert = BertModel(BertConfig(**config, attn_implementation=attention), add_pooling_layer=False)

    def forward(self, ids, mask):
        return self.bert(input_ids=ids, attention_mask=mask).last_hidden_state


class Sentences(Bert):
    """Sentence vectors: the mean over tokens, of length 1."""

    def forward(self, ids, mask):
        y = super().forward(ids, mask)
        m = mask.unsqueeze(2).to(y.dtype)
        return F.normalize((y * m).sum(1) / m.sum(1).clamp(min=1e-9), dim=1)


def tokens(make, length=64, **more):
    def inputs(batch, tokens):
        mask = torch.ones(batch, tokens, dtype=torch.int64)
        mask[0, -tokens // 8 :] = 0
        return {"ids": torch.randint(1000, 2000, (batch, tokens)), "mask": mask}

    axes = {0: "batch", 1: "tokens"}
    return Net(make, inputs, {"batch": (1, 3), "tokens": (length, 41)}, {"ids": axes, "mask": axes}, **more)


class Decoder(nn.Module):
    """A decoder of GPT-2's kind with the keys and values of earlier tokens as inputs
    and outputs. That of transformers 4.57 is exported by neither exporter."""

    def __init__(self, layers=3, width=192, heads=6, vocabulary=2000, positions=256):
        super().__init__()
        self.heads = heads
        self.words, self.positions = nn.Embedding(vocabulary, width), nn.Embedding(positions, width)
        self.blocks = nn.ModuleList(
            nn.ModuleDict(
                {
                    "norm1": nn.LayerNorm(width),
                    "qkv": nn.Linear(width, 3 * width),
                    "out": nn.Linear(width, width),
                    "norm2": nn.LayerNorm(width),
                    "up": nn.Linear(width, 4 * width),
                    "down": nn.Linear(4 * width, width),
                }
            )
            for _ in range(layers)
        )
        self.norm = nn.LayerNorm(width)

    def split(self, x):
        return x.view(x.shape[0], x.shape[1], self.heads, -1).transpose(1, 2)

    def forward(self, ids, mask, key0, value0, key1, value1, key2, value2):
        past = ((key0, value0), (key1, value1), (key2, value2))
        tokens, before = ids.shape[1], key0.shape[2]
        at = (mask.cumsum(1) - 1).clamp(min=0)[:, before:]
        x = self.words(ids) + self.positions(at)
        seen = torch.arange(before + tokens)[None, :] <= torch.arange(before, before + tokens)[:, None]
        seen = seen[None, None] & mask[:, None, None, :].bool()
        now = []
        for b, (key, value) in zip(self.blocks, past, strict=True):
            q, k, v = (self.split(t) for t in b["qkv"](b["norm1"](x)).chunk(3, 2))
            k, v = torch.cat((key, k), 2), torch.cat((value, v), 2)
            now += [k, v]
            scores = (q @ k.transpose(2, 3)) / k.shape[3] ** 0.5
            scores = scores.masked_fill(~seen, torch.finfo(scores.dtype).min)
            y = (scores.softmax(3) @ v).transpose(1, 2).flatten(2)
            x = x + b["out"](y)
            x = x + b["down"](F.gelu(b["up"](b["norm2"](x)), approximate="tanh"))
        return (self.norm(x) @ self.words.weight.T, *now)


def decoder():
    layers = 3
    names = [f"{kind}{i}" for i in range(layers) for kind in ("key", "value")]

    def inputs(batch, tokens, past):
        ids = torch.randint(2000, (batch, tokens))
        mask = torch.ones(batch, past + tokens, dtype=torch.int64)
        mask[0, :2] = 0
        return {"ids": ids, "mask": mask} | {n: torch.randn(batch, 6, past, 32) for n in names}

    axes = {"ids": {0: "batch", 1: "tokens"}, "mask": {0: "batch", 1: "all"}}
    axes |= {n: {0: "batch", 2: "past"} for n in names}
    return Net(
        lambda: Decoder(layers),
        inputs,
        {"batch": (1, 2), "tokens": (5, 3), "past": (16, 9)},
        axes,
        ("logits", *(f"{n}_out" for n in names)),
    )


class Tagger(nn.Module):
    """Word vectors, two bidirectional LSTM layers, a score for each tag."""

    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(2000, 96)
        self.lstm = nn.LSTM(96, 128, 2, batch_first=True, bidirectional=True)
        self.tags = nn.Linear(256, 17)

    def forward(self, ids):
        return self.tags(self.lstm(self.words(ids))[0]).log_softmax(2)


class Speech(nn.Module):
    """Whisper's encoder: two convolutions, then attention over 1500 frames; here
    fewer, as its positions are a table."""

    def __init__(self):
        super().__init__()
        config = WhisperConfig(
            d_model=192, encoder_layers=3, encoder_attention_heads=6, encoder_ffn_dim=768, max_source_positions=300
        )
        config._attn_implementation = "sdpa"
        self.net = WhisperEncoder(config)

    def forward(self, x):
        return self.net(x).last_hidden_state


def small(attention, kind=Bert):
    return lambda: kind(
        attention, vocab_size=2000, hidden_size=384, num_hidden_layers=6, num_attention_heads=12, intermediate_size=1536
    )


models = torchvision.models
NETS = {
    "alexnet": vision("alexnet", open_size=False),
    "vgg16": vision("vgg16", open_size=False),
    "squeezenet1_1": vision("squeezenet1_1"),
    "resnet18": vision("resnet18"),
    "resnet50": vision("resnet50"),
    "resnext50_32x4d": vision("resnext50_32x4d"),
    "regnet_y_400mf": vision("regnet_y_400mf"),
    "densenet121": vision("densenet121"),
    "googlenet": vision("googlenet"),
    "inception_v3": vision("inception_v3", size=299, other=(320, 260)),
    "mobilenet_v2": vision("mobilenet_v2"),
    "mobilenet_v3_large": vision("mobilenet_v3_large"),
    "shufflenet_v2_x1_0": vision("shufflenet_v2_x1_0"),
    "efficientnet_b0": vision("efficientnet_b0"),
    "mnasnet1_0": vision("mnasnet1_0"),
    "convnext_tiny": vision("convnext_tiny"),
    "vit_b_16": vision("vit_b_16", open_size=False),
    "swin_t": vision("swin_t", open_size=False),
    "deeplabv3_mobilenet_v3_large": picture(lambda: Segmentation(models.segmentation.deeplabv3_mobilenet_v3_large)),
    "lraspp_mobilenet_v3_large": picture(lambda: Segmentation(models.segmentation.lraspp_mobilenet_v3_large)),
    "ssdlite320_mobilenet_v3_large": dataclasses.replace(
        picture(
            lambda: Detector(models.detection.ssdlite320_mobilenet_v3_large),
            size=320,
            other=(288, 352),
            outputs=("boxes", "scores", "labels"),
        ),
        sizes={"height": (320, 288), "width": (320, 352)},
        inputs=lambda height, width: {"x": torch.rand(1, 3, height, width)},
        axes={"x": {2: "height", 3: "width"}},
    ),
    "yolo_nms": dataclasses.replace(
        picture(Yolo, size=256, other=(320, 192), step=16),
        sizes={"height": (256, 320), "width": (256, 192)},
        inputs=lambda height, width: {"x": torch.randn(1, 3, height, width)},
        axes={"x": {2: "height", 3: "width"}},
    ),
    "minilm": tokens(small("eager", Sentences)),
    "minilm_sdpa": tokens(small("sdpa", Sentences)),
    "bert": tokens(lambda: Bert("eager", vocab_size=2000)),
    "gpt2_past": decoder(),
    "tagger_lstm": Net(
        Tagger,
        lambda batch, tokens: {"ids": torch.randint(2000, (batch, tokens))},
        {"batch": (1, 3), "tokens": (32, 19)},
        {"ids": {0: "batch", 1: "tokens"}},
    ),
    "whisper_encoder": Net(
        Speech,
        lambda batch: {"x": torch.randn(batch, 80, 600)},
        {"batch": (1, 2)},
        {"x": {0: "batch"}},
    ),
}


def spread(model, x):
    """Gives norms parameters that differ by channel and fit what flows through:
    a batch norm takes its statistics, with some error, from what reaches it when
    the norms before it already have theirs, so that activations stay near 1."""
    model.eval()

    def settle(norm, args):
        var, mean = torch.var_mean(args[0], (0, 2, 3))
        norm.running_mean = mean + 0.1 * var.sqrt() * torch.randn_like(mean)
        norm.running_var = var * torch.empty_like(var).uniform_(0.8, 1.25) + 1e-3

    def normalize(layer, _, y):
        # Convolutions that no norm follows: their outputs get deviation 1.
        s = y.std().clamp(min=1e-6)
        layer.weight.data /= s
        if layer.bias is not None:
            layer.bias.data.normal_(0, 0.1)
        return layer._conv_forward(layer.given, layer.weight, layer.bias)

    hooks = []
    normed = any(isinstance(m, nn.BatchNorm2d) for m in model.modules())
    with torch.no_grad():
        for m in model.modules():
            if isinstance(m, nn.BatchNorm2d | nn.InstanceNorm2d | nn.LayerNorm):
                m.weight.uniform_(0.8, 1.25)
                m.bias.normal_(0, 0.1)
            if isinstance(m, nn.BatchNorm2d):
                hooks.append(m.register_forward_pre_hook(settle))
            elif isinstance(m, nn.Conv2d) and not normed:
                hooks.append(m.register_forward_pre_hook(lambda m, a: setattr(m, "given", a[0])))
                hooks.append(m.register_forward_hook(normalize))
        if hooks:
            model(x if len(x) == 1 and isinstance(model, Detector | Yolo) else torch.cat((x, torch.randn_like(x))))
    for h in hooks:
        h.remove()


def build(name):
    torch.manual_seed(1)
    net = NETS[name]
    model = net.make().eval()
    x = next(iter(net.inputs(*(s[0] for s in net.sizes.values())).values()))
    if x.is_floating_point():
        spread(model, x)
    if isinstance(model, Detector):
        # Scores that tell classes apart, as those of a trained one do.
        last = [m for m in model.net.head.classification_head.modules() if isinstance(m, nn.Conv2d)]
        for m in last:
            if m.bias is not None:
                m.weight.data *= 4
    return model


def export(name, exporter, open_shapes, folder):
    net, model = NETS[name], build(name)
    torch.manual_seed(2)
    sets = [net.inputs(*(s[0] for s in net.sizes.values()))]
    if open_shapes:
        sets.append(net.inputs(*(s[1] for s in net.sizes.values())))
    names, args = list(sets[0]), tuple(sets[0].values())
    path = folder / f"{name}.{exporter}.{'open' if open_shapes else 'static'}.onnx"
    part = path.with_name(f"part.{path.name}")
    common = {"input_names": names, "output_names": list(net.outputs), "opset_version": OPSET[exporter]}
    with torch.no_grad():
        if exporter == "ts":
            torch.onnx.export(model, args, part, dynamo=False, dynamic_axes=net.axes if open_shapes else None, **common)
        else:
            shapes = None
            if open_shapes:
                dims = {}
                for d in {d for axes in net.axes.values() for d in axes.values()}:
                    step = net.multiple.get(d, 1)
                    dims[d] = step * torch.export.Dim(f"{d}_{step}") if step > 1 else torch.export.Dim.AUTO
                shapes = [{at: dims[d] for at, d in net.axes[n].items()} for n in names]
                shapes = tuple(shapes)
                # A size of 1 would be taken as fixed.
                args = tuple(net.inputs(*(s[1] for s in net.sizes.values())).values())
            torch.onnx.export(
                model, args, part, dynamo=True, dynamic_shapes=shapes, external_data=False, verbose=False, **common
            )
    arrays, session = {}, onnxruntime.InferenceSession(part, providers=["CPUExecutionProvider"])
    wanted = {i.name for i in session.get_inputs()}
    for i, xs in enumerate(sets):
        xs = {n: x.numpy() for n, x in xs.items() if n in wanted}
        ys = session.run(None, xs)
        for y in ys:
            if y.dtype == np.float32 and not (np.isfinite(y).all() and (y.size < 2 or 1e-3 < y.std() < 1e4)):
                raise ValueError(f"outputs of deviation {y.std():g} are no measure of anything")
        arrays |= {f"in{i}/{n}": x for n, x in xs.items()}
        arrays |= {f"out{i}/{o.name}": y for o, y in zip(session.get_outputs(), ys, strict=True)}
    np.savez(path.with_suffix(".npz"), **arrays)
    part.rename(path)


def main(folder, *wanted):
    every = [f"{n}.{e}.{s}" for n in NETS for e in ("ts", "dynamo") for s in ("static", "open")]
    if folder == "--list":
        print(json.dumps(every))
        return
    warnings.filterwarnings("ignore")
    torch.backends.mha.set_fastpath_enabled(False)  # for which ONNX has no operator
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for which in every:
        name, exporter, shapes = which.split(".")
        if wanted and name not in wanted and which not in wanted or (folder / f"{which}.onnx").exists():
            continue
        try:
            export(name, exporter, shapes == "open", folder)
            print(f"{which}: written", flush=True)
            (folder / f"{which}.failed").unlink(missing_ok=True)
        except Exception as e:  # what an exporter cannot write is part of the result
            while e.__cause__ is not None:
                e = e.__cause__
            why = f"{type(e).__name__}: {(str(e).strip() or '-').splitlines()[0][:160]}"
            (folder / f"{which}.failed").write_text(why + "\n")
            print(f"{which}: {why}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
