"""List the ImageNet images of LVIS's classes with their labels.

python tools/create_imagenetlvis_json.py --help
"""

from _launch import launch

if __name__ == "__main__":
    launch(__file__)
