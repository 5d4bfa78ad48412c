"""Score detections that are already in a file of COCO's result format, without a model.

python tools/evaluate_predictions.py --help
"""

from _launch import launch

if __name__ == "__main__":
    launch(__file__)
