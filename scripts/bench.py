"""Print how fast mtseg is on this machine, beside what the machine can do and beside the peers, in one run.

python scripts/bench.py limits         what the processor reaches in convolutions, products and copies
python scripts/bench.py network        forward pass and training step of the joint network and of peers (extra `bench`)
python scripts/bench.py sliding_window prediction of one volume of 256 x 256 x 180, beside nnU-Net's (extra `bench`)
python scripts/bench.py tiles          with RUN, COHORT and a size such as 64 80 64: the Dice of that training's masks
                                       in our tiles and by nnU-Net's predictor (extra `bench`)
python scripts/bench.py accuracy       with COHORT and SECONDS: the Dice that `hippocampus_t1` reaches in that time
python scripts/bench.py precision      with COHORT: the Dice of short trainings in bfloat16 and in float32, three seeds
python scripts/bench.py predict        `mtseg predict` of a crop and of 512 x 512 x 400 voxels: time and memory
python scripts/bench.py pipeline       samples a second, beside what training takes, TorchIO and MONAI (extra `bench`)
python scripts/bench.py onnx           a forward pass in ONNX Runtime, as a ratio to torch, on one core
python scripts/bench.py cam            maps, as a ratio to a forward and backward pass (extra `bench`)
python scripts/bench.py zncc           the similarity of 450 maps, as a ratio to the bare matrix product
python scripts/bench.py experiment     four trainings on two workers, as a ratio to one after the other
python scripts/bench.py ssp            one volume to eight views of Z, and making the surface once
python scripts/bench.py habenula       `mtseg volumes habenula` of one head and of more, from cold, and by stage;
                                       with HEAD, TEMPLATE, LABEL also their registration by ANTs (extra `bench`)
"""

import argparse
from importlib import import_module
from pathlib import Path

import torch

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    modules = Path(__file__).with_name("benchmarks").glob("[!_]*.py")
    parser.add_argument("what", choices=sorted({module.stem for module in modules} - {"timing", "peers"}))
    parser.add_argument("files", nargs="*", help="or numbers, as said above")
    arguments = parser.parse_args()
    amx = torch.cpu._is_amx_tile_supported()
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    print(f"{torch.backends.cpu.get_cpu_capability()}, AMX: {amx}, {torch.get_num_threads()} threads, {gpu}")
    import_module(f"benchmarks.{arguments.what}").run(*arguments.files)
