"""From a command, a plain function, to its options on the command line.

Parameters before the `*` of the signature stand without a name on the command line, those
behind it are options; `**options: Annotated[Any, Config]` stands for the fields of a dataclass,
which may also be read from a YAML file. Types and docstrings say the rest.

The option parser could read signatures itself. But to find out more it executes the imports
that are there for type checkers only, and torch with them.
"""

from __future__ import annotations

from argparse import ArgumentError as ParserError
from collections.abc import Callable, Iterator, Sequence
from dataclasses import MISSING, dataclass, fields
from inspect import Parameter, cleandoc, signature
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

from ostinato.core.errors import ArgumentError, nearest
from ostinato.core.extras import extra

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser

Command = Callable[..., None]
REQUIRED = Parameter.empty


@dataclass(frozen=True)
class Option:
    """One value that a command takes.

    Attributes:
        name: of the parameter.
        type: of the value.
        default: its value if none is given, or `REQUIRED`.
        help: what it means.
        named: whether `--name` stands before it.
    """

    name: str
    type: Any
    default: Any
    help: str
    named: bool = True

    def add_to(self, parser: ArgumentParser) -> None:
        """Let `parser` know it."""
        settings = {"type": self.type, "help": self.help}
        if self.default is not REQUIRED:
            settings["default"] = self.default
        if not self.named and self.default is not REQUIRED:
            settings["nargs"] = "?"
        parser.add_argument(f"--{self.name}" if self.named else self.name, **settings)


def parse(name: str, command: Command, words: Sequence[str]) -> dict[str, Any]:
    """Read the words behind the command's name.

    Args:
        name: what the command is called.
        command: the function.
        words: the words behind its name.

    Returns:
        The arguments to call the function with.

    Raises:
        ArgumentError: if a word is unknown, or a value has a wrong type.
        SystemExit: after `--help`.
    """
    options = list(options_of(command))
    parser = _parser(name, command, options)
    try:
        values = parser.parse_args(list(_spelled(words, options, parser))).as_dict()
    except ParserError as error:
        raise ArgumentError(f"{error}. See: ostinato {name} --help") from error
    return {option.name: values[option.name] for option in options}


def options_of(command: Command) -> Iterator[Option]:
    """What a command takes, in the order of its signature."""
    hints, helps = get_type_hints(command, include_extras=True), _documented(command)
    for p in signature(command).parameters.values():
        if p.kind is Parameter.VAR_KEYWORD:
            yield from _fields_of(get_args(hints[p.name])[1])
        else:
            named = p.kind is Parameter.KEYWORD_ONLY
            yield Option(p.name, hints[p.name], p.default, helps[p.name], named)


def _fields_of(config: type) -> Iterator[Option]:
    hints, helps = get_type_hints(config), _documented(config)
    for f in fields(config):
        default = f.default if f.default_factory is MISSING else f.default_factory()
        yield Option(f.name, hints[f.name], default, helps[f.name])


def _documented(thing: Any) -> dict[str, str]:
    parsed = extra("docstring_parser", "cli", "The command line").parse_from_object(thing)
    return {p.arg_name: p.description for p in parsed.params}


def _parser(name: str, command: Command, options: Sequence[Option]) -> ArgumentParser:
    jsonargparse = extra("jsonargparse", "cli", "The command line")
    # No value may name an import path: a configuration is data. Code comes from one place only,
    # a cell of one's own, which is named as a file.
    jsonargparse.set_parsing_settings(
        import_path_denylist=["*"], instantiate_subclass_spec_in_any=False
    )
    unnamed = [option for option in options if not option.named]
    words = (o.name.upper() if o.default is REQUIRED else f"[{o.name.upper()}]" for o in unnamed)
    parser: ArgumentParser = jsonargparse.ArgumentParser(
        usage=" ".join(["ostinato", name, *words, "[OPTIONS]"]),
        description=cleandoc(command.__doc__ or "").partition("\n\nArgs:")[0],
        exit_on_error=False,
    )
    if any(p.kind is Parameter.VAR_KEYWORD for p in signature(command).parameters.values()):
        parser.add_argument("--config", action="config", help="A YAML file of options.")
    for option in options:
        option.add_to(parser)
    return parser


def _spelled(
    words: Sequence[str], options: Sequence[Option], parser: ArgumentParser
) -> Iterator[str]:
    """The words as the parser wants them: underscores in names, a value behind each flag."""
    flags = {f"--{option.name}" for option in options if option.named and option.type is bool}
    known = parser._option_string_actions
    for word, following in zip(words, [*words[1:], ""], strict=False):
        if not word.startswith("--"):
            yield word
            continue
        name, equals, value = word[2:].partition("=")
        name, dot, key = name.partition(".")
        option = "--" + name.replace("-", "_")
        if option not in known:
            raise ArgumentError(f"There is no option {option}. {nearest(option, known)}")
        bare = option in flags and not equals and following not in ("true", "false")
        yield f"{option}=true" if bare else option + dot + key + equals + value
