"""The table behind parent queries, made from database files."""

import gzip
import json

from detic.vocabulary.wordnet import WordNetNouns
from tests.detic.preparation.wordnet_files import write_wordnet


def test_table_of_hypernyms(root, run_tool, capsys):
    folder = write_wordnet(root / "dict")
    out = root / "hypernyms.json.gz"
    run_tool("make_wordnet_hypernyms", "--wordnet", str(folder), "--out_path", str(out))
    nouns = WordNetNouns(**json.loads(gzip.decompress(out.read_bytes())))
    assert nouns.hypernyms["banana.n.02"] == ["edible_fruit.n.01"]
    assert nouns.senses["fruit"] == ["fruit.n.01"]
    assert f"wrote {out}: 5 synsets and 5 words" in capsys.readouterr().out
