"""The networks of the comparison, and how they are written for each side.

Weights come from a seed; nothing is downloaded. Each network is traced once and
written twice from the same weights: NAME.onnx for the peers and NAME.mlpackage
(ML Program, float32) for smelt. NAME.npz holds the inputs that all of them get.

    python nets.py FOLDER [NAME…]
    python nets.py --list
"""

import dataclasses
import json
import pathlib
import shutil
import sys
import warnings
from collections.abc import Callable

import coremltools as ct
import numpy as np
import torch
import torchvision
from torch import nn
from torch.nn import functional as F
from transformers import BertConfig, BertModel


class Conv(nn.Sequential):
    """A convolution with instance normalization, borders reflected."""

    def __init__(self, cin, cout, kernel, stride=1, act=True):
        layers = [nn.ReflectionPad2d(kernel // 2), nn.Conv2d(cin, cout, kernel, stride)]
        layers.append(nn.InstanceNorm2d(cout, affine=True))
        if act:
            layers.append(nn.ReLU())
        super().__init__(*layers)


class Residual(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.body = nn.Sequential(Conv(channels, channels, 3), Conv(channels, channels, 3, act=False))

    def forward(self, x):
        return x + self.body(x)


class Up(nn.Module):
    """Twice the size: nearest neighbours and a convolution, or a transposed one."""

    def __init__(self, cin, cout, transposed):
        super().__init__()
        if transposed:
            self.body = nn.Sequential(
                nn.ConvTranspose2d(cin, cout, 3, 2, padding=1, output_padding=1),
                nn.InstanceNorm2d(cout, affine=True),
                nn.ReLU(),
            )
        else:
            self.body = nn.Sequential(nn.Upsample(scale_factor=2, mode="nearest"), Conv(cin, cout, 3))

    def forward(self, x):
        return self.body(x)


class Style(nn.Sequential):
    """Johnson et al. 2016, "Perceptual losses for real-time style transfer"."""

    def __init__(self, transposed=False):
        super().__init__(
            Conv(3, 32, 9),
            Conv(32, 64, 3, 2),
            Conv(64, 128, 3, 2),
            *(Residual(128) for _ in range(5)),
            Up(128, 64, transposed),
            Up(64, 32, transposed),
            nn.ReflectionPad2d(4),
            nn.Conv2d(32, 3, 9),
        )


class TinyYolo(nn.Module):
    """YOLOv3-tiny with 80 classes; both heads as the last convolutions give them."""

    def __init__(self):
        super().__init__()

        def conv(cin, cout, kernel=3):
            return nn.Sequential(
                nn.Conv2d(cin, cout, kernel, padding=kernel // 2, bias=False),
                nn.BatchNorm2d(cout),
                nn.LeakyReLU(0.1),
            )

        early, cin = [], 3
        for cout in (16, 32, 64, 128):
            early += [conv(cin, cout), nn.MaxPool2d(2)]
            cin = cout
        self.early = nn.Sequential(*early, conv(128, 256))
        self.late = nn.Sequential(
            nn.MaxPool2d(2),
            conv(256, 512),
            nn.ZeroPad2d((0, 1, 0, 1)),
            nn.MaxPool2d(2, 1),
            conv(512, 1024),
            conv(1024, 256, 1),
        )
        self.coarse = nn.Sequential(conv(256, 512), nn.Conv2d(512, 255, 1))
        self.up = nn.Sequential(conv(256, 128, 1), nn.Upsample(scale_factor=2, mode="nearest"))
        self.fine = nn.Sequential(conv(384, 256), nn.Conv2d(256, 255, 1))

    def forward(self, x):
        early = self.early(x)
        late = self.late(early)
        return self.coarse(late), self.fine(torch.cat((self.up(late), early), 1))


class Bert(nn.Module):
    """The hidden states of the last layer."""

    def __init__(self, **config):
        super().__init__()
        config = BertConfig(**config, attn_implementation="eager")
        self.bert = BertModel(config, add_pooling_layer=False)

    def forward(self, ids, mask):
        return self.bert(input_ids=ids, attention_mask=mask).last_hidden_state


class LSTM(nn.Module):
    def __init__(self, cin, hidden, layers):
        super().__init__()
        self.lstm = nn.LSTM(cin, hidden, layers)

    def forward(self, x):
        return self.lstm(x)[0]


def minilm():
    return Bert(hidden_size=384, num_hidden_layers=6, num_attention_heads=12, intermediate_size=1536)


@dataclasses.dataclass(frozen=True)
class Net:
    title: str
    gflop: float  # two for each product that is added up
    make: Callable[[], nn.Module]
    shape: tuple[int, ...]
    outputs: tuple[str, ...] = ("y",)
    tokens: bool = False


NETS = {
    "squeezenet": Net("SqueezeNet 1.1, 227²", 0.776, torchvision.models.squeezenet1_1, (1, 3, 227, 227)),
    "mobilenetv2": Net("MobileNetV2, 224²", 0.602, torchvision.models.mobilenet_v2, (1, 3, 224, 224)),
    "resnet50": Net("ResNet-50, 224²", 8.178, torchvision.models.resnet50, (1, 3, 224, 224)),
    "efficientnetb0": Net("EfficientNet-B0, 224²", 0.772, torchvision.models.efficientnet_b0, (1, 3, 224, 224)),
    "style256": Net("Style transfer, 256²", 20.16, Style, (1, 3, 256, 256)),
    "style512": Net("Style transfer, 512²", 80.63, Style, (1, 3, 512, 512)),
    "deconv256": Net("Style transfer, transposed, 256²", 16.53, lambda: Style(True), (1, 3, 256, 256)),
    "deconv512": Net("Style transfer, transposed, 512²", 66.13, lambda: Style(True), (1, 3, 512, 512)),
    "tinyyolo": Net("YOLOv3-tiny, 416²", 5.565, TinyYolo, (1, 3, 416, 416), ("coarse", "fine")),
    "minilm": Net("MiniLM-L6, 128 tokens", 2.869, minilm, (1, 128), tokens=True),
    "bert": Net("BERT-base, 128 tokens", 22.35, Bert, (1, 128), tokens=True),
    "lstm": Net("LSTM 2×512 of 512, 100 steps", 0.839, lambda: LSTM(512, 512, 2), (100, 1, 512)),
    "lstm128": Net("LSTM 2×512 of 128, 100 steps", 0.682, lambda: LSTM(128, 512, 2), (100, 1, 128)),
}


def spread(model, x):
    """Gives norms parameters that differ by channel and fit what flows through.

    A batch norm takes its statistics, with some error, from what reaches it when
    the norms before it already have theirs. So activations stay near 1 in however
    deep a network: what explodes or vanishes is slow for reasons of its own.
    """
    model.eval()

    def settle(norm, args):
        var, mean = torch.var_mean(args[0], (0, 2, 3))
        norm.running_mean = mean + 0.1 * var.sqrt() * torch.randn_like(mean)
        norm.running_var = var * torch.empty_like(var).uniform_(0.8, 1.25)

    hooks = []
    with torch.no_grad():
        for m in model.modules():
            if isinstance(m, nn.BatchNorm2d | nn.InstanceNorm2d | nn.LayerNorm):
                m.weight.uniform_(0.8, 1.25)
                m.bias.normal_(0, 0.1)
            if isinstance(m, nn.BatchNorm2d):
                hooks.append(m.register_forward_pre_hook(settle))
        if hooks:
            model(torch.cat((x, torch.randn(3, *x.shape[1:]))))
    for h in hooks:
        h.remove()


def inputs(net):
    if net.tokens:
        mask = torch.ones(net.shape, dtype=torch.int32)
        mask[:, -net.shape[1] // 8 :] = 0
        return {"ids": torch.randint(1000, 30000, net.shape, dtype=torch.int32), "mask": mask}
    return {"x": torch.randn(net.shape)}


def build(name):
    """Returns the network in evaluation mode and its inputs by name."""
    torch.manual_seed(1)
    net = NETS[name]
    model, xs = net.make(), inputs(net)
    spread(model, next(iter(xs.values())))
    return model, xs


def export(name, folder):
    net = NETS[name]
    model, xs = build(name)
    args = tuple(xs.values())
    with torch.no_grad():
        ys = model(*args)
        ys = ys if isinstance(ys, tuple) else (ys,)
        for y in ys:
            if not torch.isfinite(y).all() or not 1e-2 < y.std() < 1e2:
                sys.exit(f"{name}: outputs of deviation {y.std():g} are no measure of anything")
        trace = torch.jit.trace(model, args)
    write_mlpackage(
        trace,
        [ct.TensorType(name=n, shape=x.shape, dtype=np.int32 if net.tokens else np.float32) for n, x in xs.items()],
        net.outputs,
        folder / f"{name}.mlpackage",
    )
    onnx = folder / f"{name}.onnx"
    write_onnx(model, args, list(xs), net.outputs, onnx)
    np.savez(folder / f"{name}.npz", **{n: x.numpy() for n, x in xs.items()})


def write_onnx(model, args, names, outputs, path):
    part = path.with_suffix(".part")
    torch.onnx.export(model, args, part, input_names=names, output_names=list(outputs), opset_version=17, dynamo=False)
    part.rename(path)


def write_mlpackage(trace, inputs, outputs, path, **more):
    model = ct.convert(
        trace,
        inputs=inputs,
        outputs=None if more else [ct.TensorType(name=n) for n in outputs],
        convert_to="mlprogram",
        minimum_deployment_target=ct.target.iOS16,
        compute_precision=ct.precision.FLOAT32,
        skip_model_load=True,
        **more,
    )
    shutil.rmtree(path, ignore_errors=True)
    model.save(path)


class Classifier(nn.Module):
    """SqueezeNet from pixels already scaled, with probabilities at the end."""

    def __init__(self):
        super().__init__()
        self.net = torchvision.models.squeezenet1_1()

    def forward(self, image):
        return F.softmax(self.net(image), 1)


def rounded(w, bits):
    """Rounds weights to so many bits, evenly between the ends of each output channel."""
    flat = w.flatten(1)
    low, high = flat.amin(1, keepdim=True), flat.amax(1, keepdim=True)
    step = (high - low) / (2**bits - 1)
    return (torch.round((flat - low) / step) * step + low).view_as(w)


def export_classifier(folder):
    """Writes classifier.mlpackage, which takes pictures, and classifier.onnx, the
    same from scaled pixels, and classifier8.onnx, its weights rounded to 8 bits
    but kept as float32, the form that runs fastest there."""
    torch.manual_seed(1)
    model = Classifier()
    model.eval()
    args = (torch.randn(1, 3, 227, 227),)
    write_mlpackage(
        torch.jit.trace(model, args),
        [ct.ImageType(name="image", shape=args[0].shape, scale=1 / 58, bias=[-127.5 / 58] * 3)],
        ["probabilities"],
        folder / "classifier.mlpackage",
        classifier_config=ct.ClassifierConfig([str(i) for i in range(1000)]),
    )
    write_onnx(model, args, ["image"], ["probabilities"], folder / "classifier.onnx")
    with torch.no_grad():
        for p in model.parameters():
            if p.dim() > 1:
                p.copy_(rounded(p, 8))
    write_onnx(model, args, ["image"], ["probabilities"], folder / "classifier8.onnx")
    np.savez(folder / "classifier.npz", image=args[0].numpy())


def main(folder, *names):
    if folder == "--list":
        print(json.dumps({name: net.title for name, net in NETS.items()}))
        return
    warnings.filterwarnings("ignore")
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name in names or NETS:
        print(f"writing {name}", file=sys.stderr)
        export_classifier(folder) if name == "classifier" else export(name, folder)


if __name__ == "__main__":
    main(*sys.argv[1:])
