"""What the fields of the schema cost, in upstream requests and in nodes, as far as a document can tell.

The figures are bounds for sources that answer: retries, fetching tokens, and the request for each attachment that an
EspoCRM without admin rights takes are not in them. A field that is not in the table costs nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass

FOLDER = frozenset({"folder"})
"""The folder of a file."""
TREE = FOLDER | {"tree"}
"""The snapshot of a library: 2 requests, after which nothing in it costs any."""
LISTING = frozenset({"listing"})
"""The attachments of a record: 1 request for all of them."""

CHILDREN = 50
"""How many items a list of a folder is taken to have. Lists of lists of a tree are parts of one snapshot."""
FEW = 10
"""How many items any other list without a size is taken to have."""
MOST_OVERLAP = 4
"""How often an entry is in the flat lists of the folders above it, where these are listed themselves."""


@dataclass(frozen=True, slots=True)
class FieldCost:
    """The cost of one field, read once.

    ``requests`` are upstream requests for the field and ``per_item`` for each of its items. ``items`` says how many
    items there are: a number, or the argument whose length it is, as ``ids`` or ``input.files``; ``page`` is the
    largest page of a connection, where `first` or `last` say how many. A field that is no list hands the number to
    the lists directly in it.

    ``loads`` names a snapshot that the field reads: where it was read on the way already, the field is free.
    ``below`` marks a list that leads down a tree: all lists of one level together are no larger than the tree, so
    they count once. ``overlapping`` is for those whose parts may be in each other, as deep as `depth` says. ``above``
    marks the way back, after which the lists below are repeated. ``anew`` says that nothing read before helps.
    """

    requests: int = 0
    per_item: int = 0
    items: int | str | None = None
    page: int | None = None
    loads: frozenset[str] = frozenset()
    below: bool = False
    overlapping: bool = False
    above: bool = False
    anew: bool = False


_BRANCH = FieldCost(2, items=CHILDREN, loads=TREE, below=True)
_WALK = FieldCost(2, page=1000, loads=TREE, below=True, overlapping=True)
_ABOVE = FieldCost(above=True)
_LINK = FieldCost(1)

COSTS: Mapping[str, FieldCost] = {
    "Query.node": FieldCost(1, anew=True),
    "Query.nodes": FieldCost(per_item=1, items="ids", anew=True),
    "Query.record": FieldCost(anew=True),
    "Query.records": FieldCost(items="by", anew=True),
    "Query.library": FieldCost(anew=True),
    "Query.storedFiles": FieldCost(per_item=2, items="in", page=100, loads=TREE | LISTING, anew=True),
    "Query.stagedUpload": FieldCost(anew=True),
    "Record.attachments": FieldCost(1, page=100, loads=LISTING),
    "Record.registeredMail": FieldCost(1, loads=LISTING),
    "Library.folders": _BRANCH,
    "Library.files": _BRANCH,
    "Library.descendants": _WALK,
    "Folder.folders": _BRANCH,
    "Folder.files": _BRANCH,
    "Folder.descendants": _WALK,
    "Folder.placement": FieldCost(2, loads=TREE),
    "Folder.parent": FieldCost(2, loads=TREE, above=True),
    "Folder.ancestors": FieldCost(2, items=FEW, loads=TREE, above=True),
    "Folder.library": _ABOVE,
    "FolderEntryEdge.parent": _ABOVE,
    "File.library": _ABOVE,
    "File.folder": FieldCost(1, loads=FOLDER, above=True),
    "File.download": _LINK,
    "Attachment.download": _LINK,
    "StagedUpload.file": FieldCost(1, anew=True),
    "Mutation.attachmentsLink": FieldCost(4),
    "Mutation.fileTextRecognize": FieldCost(2),
    "Mutation.filesUpdate": FieldCost(per_item=3, items="input.files"),
    "Mutation.foldersCreate": FieldCost(2, per_item=1, items="input.folders"),
    "Mutation.foldersDelete": FieldCost(2, per_item=1, items="input.ids"),
    "Mutation.foldersUpdate": FieldCost(1, per_item=1, items="input.folders"),
    "Mutation.stagedUploadPartsSign": FieldCost(items="input.numbers"),
    "Mutation.stagedUploadResolve": FieldCost(1),
    "Mutation.stagedUploadsCancel": FieldCost(items="input.ids"),
    "Mutation.stagedUploadsCreate": FieldCost(items="input.uploads"),
    "Mutation.stagedUploadsFinalize": FieldCost(per_item=3, items="input.uploads"),
    "Mutation.storedFilesDelete": FieldCost(per_item=2, items="input.ids"),
}
"""The cost of fields by their coordinates; fields of interfaces are counted as those of the objects behind them."""

FREE = FieldCost()
SIZING = frozenset(
    {"first", "last", "depth"}
    | {cost.items.partition(".")[0] for cost in COSTS.values() if isinstance(cost.items, str)}
)
"""The arguments that a cost may depend on."""
