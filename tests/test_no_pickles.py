"""Nothing in the package runs what somebody else has written: no loader of pickles, no eval, no SQL out of strings."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

PACKAGE: Final = Path(__file__).parents[1] / "bot"

# Modules that unpickle, or that make objects of whatever a file says.
MODULES: Final = frozenset(
    {
        *("pickle", "_pickle", "cPickle", "cloudpickle", "dill", "joblib", "shelve", "marshal", "torch", "jsonpickle"),
        *("yaml", "xmlrpc", "pandas", "h5py", "keras", "tensorflow", "orbax"),
        *("xml", "lxml"),  # entities that grow without end
    }
)
# Calls that do the same in modules that have other uses: what they are called on, None for nothing, and their names.
CALLS: Final = frozenset(
    {
        *((None, name) for name in ("eval", "exec", "compile", "__import__")),
        *(("np", name) for name in ("load", "loads", "fromfile", "memmap", "genfromtxt", "loadtxt")),
        *(("numpy", name) for name in ("load", "fromfile")),
        *(("jnp", name) for name in ("load",)),
        *(("serialization", name) for name in ("from_bytes", "msgpack_restore", "restore")),
        *(("msgpack", name) for name in ("unpackb", "unpack", "Unpacker", "loads", "load")),
        *(("os", name) for name in ("system", "popen")),
    }
)
# Methods that write files wherever an archive says.
METHODS: Final = frozenset({"extractall"})
# Keywords that make a harmless call a harmful one.
KEYWORDS: Final = frozenset({"allow_pickle", "ext_hook", "object_hook", "shell", "trust_remote_code"})


def sources() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        yield path.relative_to(PACKAGE).as_posix(), ast.parse(path.read_text("utf-8"))


def offences(tree: ast.AST) -> Iterator[str]:
    """What `tree` imports or calls of the above."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] in MODULES)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            if (node.module or "").split(".")[0] in MODULES:
                yield str(node.module)
            yield from (f"{node.module}.{alias.name}" for alias in node.names if (None, alias.name) in CALLS)
        elif isinstance(node, ast.Call):
            name, owner = _name(node.func)
            if (owner, name) in CALLS or name in METHODS:
                yield f"{owner}.{name}" if owner else name
            yield from (str(keyword.arg) for keyword in node.keywords if keyword.arg in KEYWORDS)


def _name(function: ast.expr) -> tuple[str, str | None]:
    if isinstance(function, ast.Attribute):
        return function.attr, function.value.id if isinstance(function.value, ast.Name) else ""
    return (function.id, None) if isinstance(function, ast.Name) else ("", None)


def test_nothing_is_unpickled_or_run() -> None:
    found = {file: list(offences(tree)) for file, tree in sources()}
    assert len(found) > 200
    assert {file: names for file, names in found.items() if names} == {}


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import pickle", ["pickle"]),
        ("from torch import load", ["torch"]),
        ("import xml.etree.ElementTree", ["xml.etree.ElementTree"]),
        ("from builtins import eval", ["builtins.eval"]),
        ("np.load(file)", ["np.load"]),
        ("np.load(file, allow_pickle=True)", ["np.load", "allow_pickle"]),
        ("msgpack.unpackb(data, ext_hook=make)", ["msgpack.unpackb", "ext_hook"]),
        ("eval(text)", ["eval"]),
        ("archive.extractall(folder)", ["archive.extractall"]),
        ("run(command, shell=True)", ["shell"]),
        ("re.compile(text); lowered.compile(); file.load(); serialization.to_bytes(tree)", []),
    ],
)
def test_what_would_be_found(source: str, found: list[str]) -> None:
    assert list(offences(ast.parse(source))) == found


def sql_texts(tree: ast.AST) -> Iterator[str]:
    """Calls that give the database text, and how it is made: "constant" or the expression."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and node.args:
            name, owner = _name(node.func)
            if name in ("exec_driver_sql", "DDL", "literal_column") or (name, owner) in (
                ("text", None),
                ("text", "sa"),
            ):
                yield "constant" if _is_constant(node.args[0]) else ast.unparse(node.args[0])


def _is_constant(made: ast.expr) -> bool:
    """Whether it is written down, here or as a constant of the module."""
    match made:
        case ast.Constant():
            return True
        case ast.Name(id=name):
            return name.isupper()
        case ast.IfExp(body=body, orelse=other):
            return _is_constant(body) and _is_constant(other)
    return False


def test_values_reach_the_database_as_bound_parameters_only() -> None:
    for file, tree in sources():
        if file.startswith("store/") and "migrations/" not in file:
            made = set(sql_texts(tree)) - {"constant"}
            assert not made, f"{file} makes SQL out of strings: {made}"


def test_sql_out_of_strings_would_be_found() -> None:
    assert list(sql_texts(ast.parse('connection.exec_driver_sql(f"DROP {name}")'))) == ["f'DROP {name}'"]
    assert list(sql_texts(ast.parse("text(lower); text(SQL if a else lower)"))) == ["lower", "SQL if a else lower"]
    harmless = 'text("SELECT 1"); text(_SQL if a else "x"); language.text(f"{a}")'
    assert list(sql_texts(ast.parse(harmless))) == ["constant", "constant"]
