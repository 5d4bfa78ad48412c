#!/usr/bin/env python3
"""Train a recipe, or evaluate weights.

    python train_net.py --config-file configs/shapes/Detic.yaml --num-gpus 0
    python train_net.py --config-file configs/shapes/Detic.yaml --num-gpus 0 --resume
    python train_net.py --config-file configs/shapes/Detic.yaml --num-gpus 0 --eval-only \\
        MODEL.WEIGHTS models/shapes/detic.pth

Under torchrun, leave out --num-gpus, --num-machines, --machine-rank and --dist-url.
"""

import argparse


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config-file", required=True, metavar="FILE", help="recipe (YAML)")
    parser.add_argument(
        "--resume",
        action="store_true",
        help="continue from the last checkpoint in OUTPUT_DIR, if there is one; evaluate it with "
        "--eval-only",
    )
    parser.add_argument(
        "--eval-only", action="store_true", help="evaluate MODEL.WEIGHTS, do not train"
    )
    parser.add_argument(
        "--resume-eval",
        action="store_true",
        help="skip the images that an interrupted evaluation has finished",
    )
    parser.add_argument(
        "--allow-partial",
        action="store_true",
        help="run although MODEL.WEIGHTS lacks parts of the detector",
    )
    parser.add_argument(
        "--import",
        dest="imports",
        action="append",
        default=[],
        metavar="MODULE",
        help="import a package of your own before the recipe is read (docs/extending.md); may be "
        "repeated",
    )
    parser.add_argument(
        "--num-gpus", type=int, default=1, help="processes per machine; 0: one on the CPU"
    )
    parser.add_argument("--num-machines", type=int, default=1, help="machines of the job")
    parser.add_argument("--machine-rank", type=int, default=0, help="this machine's, from 0")
    parser.add_argument(
        "--dist-url", default="auto", help="where machine 0 listens: tcp://HOST:PORT"
    )
    parser.add_argument(
        "opts",
        nargs=argparse.REMAINDER,
        metavar="KEY VALUE",
        help="configuration keys and values that override the recipe's, last",
    )
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    # After parsing: --help need not wait for torch.
    from detic import cli
    from detic.engine.run import run_from_command_line
    from detic.extensions import request_imports

    request_imports(arguments.imports)
    cli.run(run_from_command_line, arguments)


if __name__ == "__main__":
    main()
