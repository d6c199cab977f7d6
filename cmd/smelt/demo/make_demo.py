# Makes the photographs of the demonstration: Pillow 13.0.0.
#
# Takes a folder of pictures named after their classes and writes 20 of them, at
# most 256 pixels wide and high, beside this script. SqueezeNet.mlmodel there is
# the fp32 model after `smelt quantize --bits 16`.
import os
import sys

from PIL import Image

here = os.path.dirname(os.path.abspath(__file__))
source = sys.argv[1]
for name in sorted(os.listdir(here)):
    if name.endswith(".jpg"):
        os.remove(os.path.join(here, name))
wanted = """tench bullfrog American_alligator black_swan flamingo golden_retriever Komodo_dragon badger beach_wagon
cello espresso_maker golf_ball birdhouse schooner space_shuttle wall_clock custard_apple guacamole agaric cliff_dwelling
king_penguin ice_bear cougar grey_fox titi ibex""".split()
made = 0
for name in sorted(os.listdir(source)):
    label = name.split("_", 1)[1].rsplit(".", 1)[0]
    if label not in wanted or made == 20:
        continue
    picture = Image.open(os.path.join(source, name)).convert("RGB")
    picture.thumbnail((256, 256), Image.Resampling.LANCZOS)
    picture.save(os.path.join(here, label + ".jpg"), quality=85, optimize=True)
    made += 1
