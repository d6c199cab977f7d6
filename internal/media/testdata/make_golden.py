"""Makes the pictures under decode/, orient/, resize/ and fit/ and, with Pillow,
what they must become (the .png beside or in each folder).

pillow==13.0.0 (libjpeg-turbo 3.2.0, libwebp 1.6.0, libtiff 4.7.2), numpy==2.4.6

Run in this folder: python make_golden.py
"""

import io
import os
import struct

import numpy as np
from PIL import Image, ImageOps

Image.MAX_IMAGE_PIXELS = None


def picture(w, h, seed=1):
    """A picture with slopes, sharp edges, strong colours and some noise."""
    y, x = np.mgrid[0:h, 0:w].astype(float)
    r = 128 + 127 * np.sin(x / 5) * np.cos(y / 9)
    g = 255 * x / w
    b = 255 * (1 - y / h)
    a = np.stack([r, g, b], -1)
    a[(x - w * 0.6) ** 2 + (y - h * 0.4) ** 2 < (min(w, h) / 4) ** 2] = (250, 20, 30)
    a[h * 2 // 3 : h * 2 // 3 + 3] = (0, 255, 255)
    a[:, w // 5 : w // 5 + 2] = (10, 0, 200)
    a += np.random.default_rng(seed).normal(0, 6, a.shape)
    return Image.fromarray(np.clip(np.rint(a), 0, 255).astype(np.uint8))


def golden(path, im=None):
    """Writes what Pillow makes of a file (or of the given step) beside it."""
    if im is None:
        im = Image.open(path)
    rgb = Image.fromarray(np.asarray(im.convert("RGB")))  # pixels without metadata
    rgb.save(path + ".golden.png", optimize=True)


def keep(name, data):
    path = "decode/" + name
    with open(path, "wb") as f:
        f.write(data)
    golden(path)


def encoded(im, fmt, **options):
    b = io.BytesIO()
    im.save(b, fmt, **options)
    return b.getvalue()


class Bits:
    def __init__(self):
        self.bits = []

    def put(self, value, n):
        self.bits += [value >> i & 1 for i in range(n - 1, -1, -1)]

    def bytes(self):
        self.bits += [1] * (-len(self.bits) % 8)
        out = bytearray()
        for i in range(0, len(self.bits), 8):
            v = int("".join(map(str, self.bits[i : i + 8])), 2)
            out.append(v)
            if v == 255:
                out.append(0)
        return bytes(out)


def flat_jpeg(w, h, factors, adobe=None, ids=None, seed=2):
    """A baseline JPEG whose 8x8 blocks are flat, for sampling factors that
    Pillow does not write. A flat block is exact in every inverse DCT, so that
    upsampling and colours can be held to equality."""

    def segment(marker, body):
        return bytes([255, marker]) + struct.pack(">H", len(body) + 2) + body

    n = len(factors)
    ids = ids or range(1, n + 1)
    hmax, vmax = max(f[0] for f in factors), max(f[1] for f in factors)
    out = b"\xff\xd8"
    if adobe is not None:
        out += segment(0xEE, b"Adobe\0\x64\0\0\0\0" + bytes([adobe]))
    out += segment(0xDB, bytes([0] + [8] * 64))
    frame = struct.pack(">BHHB", 8, h, w, n)
    for i, (fh, fv) in zip(ids, factors):
        frame += bytes([i, fh << 4 | fv, 0])
    out += segment(0xC0, frame)
    out += segment(0xC4, bytes([0x00, 0, 0, 0, 12] + [0] * 12 + list(range(12))))  # 4 bits a category
    out += segment(0xC4, bytes([0x10, 1] + [0] * 15 + [0]))  # end of block is one 0
    scan = bytes([n])
    for i in ids:
        scan += bytes([i, 0])
    out += segment(0xDA, scan + bytes([0, 63, 0]))
    rng = np.random.default_rng(seed)
    b, last = Bits(), [0] * n
    for _ in range(-(-w // (8 * hmax)) * -(-h // (8 * vmax))):
        for c, (fh, fv) in enumerate(factors):
            for _ in range(fh * fv):
                dc = int(rng.integers(-128, 128))
                diff, last[c] = dc - last[c], dc
                size = abs(diff).bit_length()
                b.put(size, 4)
                b.put(diff if diff >= 0 else diff + (1 << size) - 1, size)
                b.put(0, 1)
    return out + b.bytes() + b"\xff\xd9"


def jpegs(im):
    for name, options in {
        "444": dict(subsampling=0),
        "422": dict(subsampling=1),
        "420": dict(subsampling=2),
        "420_q50": dict(subsampling=2, quality=50),
        "420_progressive": dict(subsampling=2, progressive=True),
        "422_progressive": dict(subsampling=1, progressive=True),
        "420_restart": dict(subsampling=2, restart_marker_blocks=2),
        "rgb": dict(keep_rgb=True),
    }.items():
        keep(f"jpeg_{name}.jpg", encoded(im, "JPEG", **{"quality": 90, **options}))
    keep("jpeg_gray.jpg", encoded(im.convert("L"), "JPEG", quality=90))
    keep("jpeg_gray_progressive.jpg", encoded(im.convert("L"), "JPEG", quality=90, progressive=True))
    keep("jpeg_cmyk.jpg", encoded(im.convert("CMYK"), "JPEG", quality=90))
    for w, h in [(1, 1), (2, 3), (3, 2), (4, 4), (5, 1), (16, 17), (33, 31)]:
        keep(f"jpeg_420_{w}x{h}.jpg", encoded(im.crop((7, 5, 7 + w, 5 + h)), "JPEG", quality=95, subsampling=2))
    for name, w, h, factors, more in [
        ("444", 33, 27, [(1, 1)] * 3, {}),
        ("422", 45, 27, [(2, 1), (1, 1), (1, 1)], {}),
        ("420", 45, 43, [(2, 2), (1, 1), (1, 1)], {}),
        ("440", 33, 43, [(1, 2), (1, 1), (1, 1)], {}),
        ("411", 75, 27, [(4, 1), (1, 1), (1, 1)], {}),
        ("410", 75, 43, [(4, 2), (1, 1), (1, 1)], {}),
        ("420_even", 64, 48, [(2, 2), (1, 1), (1, 1)], {}),
        ("rgb_ids", 33, 27, [(1, 1)] * 3, dict(ids=b"RGB")),
        ("rgb_ids_422", 45, 27, [(2, 1), (1, 1), (1, 1)], dict(ids=b"RGB")),
        ("rgb_adobe", 33, 27, [(1, 1)] * 3, dict(adobe=0)),
        ("ycc_adobe", 33, 27, [(1, 1)] * 3, dict(adobe=1, ids=b"RGB")),
        ("cmyk_bare", 33, 27, [(1, 1)] * 4, {}),
        ("cmyk_adobe", 33, 27, [(1, 1)] * 4, dict(adobe=0)),
        ("ycck", 33, 27, [(1, 1)] * 4, dict(adobe=2)),
        ("ycck_420", 45, 43, [(2, 2), (1, 1), (1, 1), (2, 2)], dict(adobe=2)),
        ("cmyk_420", 45, 43, [(2, 2), (1, 1), (1, 1), (2, 2)], dict(adobe=0)),
    ]:
        keep(f"jpegflat_{name}.jpg", flat_jpeg(w, h, factors, **more))


def png_chunk(kind, body):
    import zlib

    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def raw_png(w, h, depth, colour, seed=3, more=b""):
    """A PNG of random samples, for types that Pillow does not write."""
    import zlib

    samples = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
    row = (w * depth * samples + 7) // 8
    a = np.random.default_rng(seed).integers(0, 256, (h, row), dtype=np.uint8)
    if depth == 16:
        a[:, ::4] = 0  # some values below 256
    if more[4:8] == b"tRNS" and colour in (0, 2):  # make the transparent value occur
        value = np.frombuffer(more[8 : 8 + 2 * samples], np.uint8)
        if depth == 16:
            a[: h // 2, : 2 * samples] = value
        elif depth == 8:
            a[: h // 2, :samples] = value[1::2]
    data = b"".join(b"\0" + r.tobytes() for r in a)
    return (
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", struct.pack(">IIBBBBB", w, h, depth, colour, 0, 0, 0))
        + more
        + png_chunk(b"IDAT", zlib.compress(data))
        + png_chunk(b"IEND", b"")
    )


def pngs():
    for depth in (1, 2, 4, 8, 16):
        keep(f"png_gray{depth}.png", raw_png(13, 7, depth, 0))
        if depth <= 8:
            palette = np.random.default_rng(4).integers(0, 256, 3 << depth, dtype=np.uint8).tobytes()
            plte = png_chunk(b"PLTE", palette)
            keep(f"png_palette{depth}.png", raw_png(13, 7, depth, 3, more=plte))
            keep(f"png_palette{depth}_trns.png", raw_png(13, 7, depth, 3, more=plte + png_chunk(b"tRNS", b"\0\x80")))
    for depth in (8, 16):
        keep(f"png_rgb{depth}.png", raw_png(13, 7, depth, 2))
        keep(f"png_la{depth}.png", raw_png(13, 7, depth, 4))
        keep(f"png_rgba{depth}.png", raw_png(13, 7, depth, 6))
        keep(f"png_rgb{depth}_trns.png", raw_png(13, 7, depth, 2, more=png_chunk(b"tRNS", b"\0\1\0\2\0\3")))
        keep(f"png_gray{depth}_trns.png", raw_png(13, 7, depth, 0, more=png_chunk(b"tRNS", b"\0\7")))


def others(im):
    alpha = im.copy()
    alpha.putalpha(Image.fromarray((np.arange(im.width * im.height) % 256).astype(np.uint8).reshape(im.height, im.width)))
    keep("webp_lossy.webp", encoded(im, "WEBP", quality=80))
    keep("webp_lossy_even.webp", encoded(im.crop((0, 0, 40, 28)), "WEBP", quality=60))
    keep("webp_lossy_1x1.webp", encoded(im.crop((0, 0, 1, 1)), "WEBP"))
    keep("webp_lossy_3x2.webp", encoded(im.crop((0, 0, 3, 2)), "WEBP"))
    keep("webp_lossy_alpha.webp", encoded(alpha, "WEBP", quality=80))
    keep("webp_lossless.webp", encoded(im, "WEBP", lossless=True))
    keep("webp_lossless_alpha.webp", encoded(alpha, "WEBP", lossless=True, exact=True))
    keep("bmp_rgb.bmp", encoded(im, "BMP"))
    keep("bmp_gray.bmp", encoded(im.convert("L"), "BMP"))
    keep("bmp_palette.bmp", encoded(im.quantize(16), "BMP"))
    keep("bmp_1.bmp", encoded(im.convert("1"), "BMP"))
    keep("bmp_rgba.bmp", encoded(alpha, "BMP"))
    for compression in ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits"):
        keep(f"tiff_{compression}.tif", encoded(im, "TIFF", compression=compression))
    keep("tiff_gray.tif", encoded(im.convert("L"), "TIFF"))
    keep("tiff_1.tif", encoded(im.convert("1"), "TIFF", compression="group4"))
    white = bytearray(encoded(im.convert("1"), "TIFF", compression="group4"))
    # Tag 262, photometric: 1, black is zero, becomes 0, white is zero.
    white[bytes(white).index(struct.pack("<HHIH", 262, 3, 1, 1)) + 8] = 0
    keep("tiff_1_white.tif", bytes(white))
    keep("tiff_1_raw.tif", encoded(im.convert("1"), "TIFF"))
    keep("tiff_palette.tif", encoded(im.quantize(32), "TIFF"))
    keep("tiff_rgba.tif", encoded(alpha, "TIFF"))
    gray16 = Image.fromarray((np.asarray(im.convert("L")).astype(np.uint16) * 3))
    keep("tiff_gray16.tif", encoded(gray16, "TIFF"))
    premultiplied = bytearray(encoded(alpha, "TIFF"))
    # Tag 338, extra samples: 2, straight alpha, becomes 1, multiplied.
    at = bytes(premultiplied).index(struct.pack("<HHI", 338, 3, 1)) + 8
    premultiplied[at] = 1
    keep("tiff_rgba_premultiplied.tif", bytes(premultiplied))
    keep("gif_palette.gif", encoded(im.quantize(64), "GIF"))
    keep("gif_gray.gif", encoded(im.convert("L"), "GIF"))
    keep("gif_interlaced_transparent.gif", encoded(im.quantize(16), "GIF", transparency=3, interlace=1))
    keep("gif_animated.gif", encoded(im.quantize(8), "GIF", save_all=True, append_images=[picture(41, 29, 9).quantize(8)]))
    for transparency in ({}, dict(transparency=2)):
        gif = bytearray(encoded(im.quantize(8), "GIF", **transparency))
        gif[6:10] = struct.pack("<HH", 50, 40)  # a screen larger than its frame
        frame = bytes(gif).index(b",\0\0\0\0")
        gif[frame + 1 : frame + 5] = struct.pack("<HH", 5, 3)
        keep("gif_small_frame%s.gif" % ("_transparent" if transparency else ""), bytes(gif))


def orientations():
    im = picture(24, 16)
    for fmt, ext, options in (
        ("JPEG", "jpg", dict(quality=95, subsampling=0)),
        ("PNG", "png", {}),
        ("WEBP", "webp", dict(lossless=True)),
        ("TIFF", "tif", {}),
    ):
        for o in range(1, 9) if fmt in ("PNG", "TIFF") else (3, 6):
            exif = Image.Exif()
            exif[0x0112] = o
            path = f"orient/{o}.{ext}"
            if fmt == "TIFF":
                im.save(path, fmt, tiffinfo={0x0112: o})
            else:
                im.save(path, fmt, exif=exif, **options)
            opened = Image.open(path)
            opened.load()
            golden(path, ImageOps.exif_transpose(opened))


FILTERS = dict(
    lanczos=Image.LANCZOS, bicubic=Image.BICUBIC, bilinear=Image.BILINEAR, box=Image.BOX, nearest=Image.NEAREST
)


def resizes(im):
    for name, f in FILTERS.items():
        for w, h in [(20, 14), (41, 29), (82, 58), (13, 60), (5, 4), (90, 11), (1, 1), (41, 10), (17, 29), (40, 28)]:
            im.resize((w, h), f).save(f"resize/{name}_{w}x{h}.png", optimize=True)
    # Full contrast drives the filters' overshoot into the clipping.
    checker = Image.fromarray(((np.indices((31, 37)).sum(0) // 3 % 2) * 255).astype(np.uint8)).convert("RGB")
    checker.save("resize/checker.png", optimize=True)
    for name in ("lanczos", "bicubic"):
        checker.resize((53, 22), FILTERS[name]).save(f"resize/checker_{name}_53x22.png", optimize=True)


def fits(im):
    for orientation, m in (("wide", im), ("tall", im.transpose(Image.TRANSPOSE))):
        for n, short in ((14, 16), (21, 24), (15, 16), (12, 33)):
            w, h = m.size
            size = (short, int(short * h / w)) if w < h else (int(short * w / h), short)
            r = m.resize(size, Image.BILINEAR)
            x, y = round((size[0] - n) / 2), round((size[1] - n) / 2)
            r.crop((x, y, x + n, y + n)).save(f"fit/crop_{orientation}_{n}_{short}.png", optimize=True)
        for w, h in ((32, 32), (50, 20), (19, 47), (33, 30)):
            ImageOps.pad(m, (w, h), Image.LANCZOS, color=(114, 115, 116)).save(f"fit/fit_{orientation}_{w}x{h}.png", optimize=True)


def main():
    for d in ("decode", "orient", "resize", "fit"):
        os.makedirs(d, exist_ok=True)
    im = picture(41, 29)
    im.save("picture.png", optimize=True)
    jpegs(im)
    pngs()
    others(im)
    orientations()
    resizes(im)
    fits(im)
    luma = picture(41, 29, 5)
    luma.convert("L").save("luma.png", optimize=True)
    luma.save("colour.png", optimize=True)


main()
