"""``stopgap pack``: making packs, and looking into them."""

import typer

from ._check import check
from ._import import import_recordings
from ._list import list_packs
from ._prepare import prepare
from ._preview import preview
from ._record import record
from ._texts import texts

pack_app = typer.Typer(name="pack", help="Make clip packs, look into them, and listen.", no_args_is_help=True)
pack_app.command()(record)
pack_app.command("import")(import_recordings)
pack_app.command()(check)
pack_app.command()(preview)
pack_app.command()(prepare)
pack_app.command()(texts)
pack_app.command("list")(list_packs)
