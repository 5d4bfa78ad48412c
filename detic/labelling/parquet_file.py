"""Labels as a Parquet file."""

from pathlib import Path
from typing import Any

from detic.files import unfinished_path
from detic.labelling.labelled_images import Images
from detic.labelling.parquet import pyarrow_parquet


def merge_parquet(images: Images, path: Path) -> None:
    """Write a Parquet file with a row an image, whose columns of objects are lists.

    Masks are COCO's compressed run lengths. A row group is a shard.

    Raises:
        InputError: pyarrow is not installed.
    """
    parquet = pyarrow_parquet()
    schema = _schema()
    with (
        unfinished_path(path) as unfinished,
        parquet.ParquetWriter(unfinished, schema, compression="zstd") as file,
    ):
        for shard in images.by_shard():
            rows = [_parquet_row(image) for image in shard]
            if rows:
                import pyarrow

                file.write_table(pyarrow.Table.from_pylist(rows, schema))


def _schema() -> Any:
    import pyarrow as pa

    lists = {
        "names": pa.string(),
        "labels": pa.int32(),
        "scores": pa.float32(),
        "boxes_xyxy": pa.list_(pa.float32(), 4),
        "masks": pa.string(),
    }
    whole = {"image_id": pa.int64(), "file_name": pa.string()}
    whole |= {"width": pa.int32(), "height": pa.int32()}
    return pa.schema(whole | {name: pa.list_(kind) for name, kind in lists.items()})


def _parquet_row(image: dict) -> dict[str, Any]:
    found = image["detections"]
    row = {name: image[name] for name in ("image_id", "file_name", "width", "height")}
    columns = {"names": "name", "labels": "label", "scores": "score", "boxes_xyxy": "box_xyxy"}
    row |= {column: [entry[key] for entry in found] for column, key in columns.items()}
    masks = [entry["mask"]["counts"] for entry in found if "mask" in entry]
    return row | {"masks": masks if len(masks) == len(found) else None}
