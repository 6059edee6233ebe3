"""API entries, read from the source of exported cells: nothing is run, so compiled functions and models show all they have."""

import ast
import copy
import inspect
import io
import tokenize
from collections.abc import Callable
from dataclasses import dataclass, field

FIELD_BASES = ("BaseModel", "Settings", "NamedTuple", "TypedDict")
MAX_FIELDS_IN_SIGNATURE = 8
MAX_UNBROKEN = 24  # characters of a type that is not broken over lines
NO_BREAK = "\N{NO-BREAK SPACE}"
Function = ast.FunctionDef | ast.AsyncFunctionDef
Definition = Function | ast.ClassDef
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


@dataclass
class Parameter:
    """A parameter of a function, or a field of a class."""

    name: str
    type: str = ""
    default: str | None = None
    text: str = ""  # what its comment says
    kind: str = ""  # "", "*" or "**"


@dataclass
class Symbol:
    """A function, class or method that a notebook exports."""

    module: str
    name: str  # `Bars` or `Bars.window`
    page: str
    node: Definition
    source: str  # of the whole cell
    members: list["Symbol"] = field(default_factory=list)

    @property
    def anchor(self) -> str:
        """The anchor that nbdev links to."""
        return self.name.lower()

    @property
    def private(self) -> bool:
        """Whether nbdev leaves it out of the documentation."""
        return self.node.name.startswith("_")


Find = Callable[[str], Symbol | None]


def symbols_in(source: str, module: str, page: str) -> list[Symbol]:
    """The functions and classes of one exported cell, in order."""
    found = []
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant):  # 100_000 stays 100_000, and quotes what they are
            node.written = ast.get_source_segment(source, node)
    for node in tree.body:
        if isinstance(node, DEFINITIONS):
            symbol = Symbol(module, node.name, page, node, source)
            if isinstance(node, ast.ClassDef):
                symbol.members = [
                    Symbol(module, f"{node.name}.{item.name}", page, item, source) for item in node.body if isinstance(item, DEFINITIONS)
                ]
            found.append(symbol)
    return found


class AsWritten(ast.NodeTransformer):
    """Puts the author's own text where a constant stands."""

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        """One constant."""
        written = getattr(node, "written", None)
        return ast.Name(written) if written and "\n" not in written else node

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.expr:
        """An f-string stays: its parts are no constants of their own."""
        return node


def unparse(node: ast.AST) -> str:
    """The code of a tree on one line, constants as written."""
    return ast.unparse(AsWritten().visit(copy.deepcopy(node)))


# Comments beside parameters ("docments")


def comments_of(source: str) -> dict[int, tuple[int, str, bool]]:
    """Comments by line: (column, text, whether the comment stands alone on its line)."""
    found = {}
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            found[token.start[0]] = (token.start[1], token.string.lstrip("#").strip(), not token.line[: token.start[1]].strip())
    return found


def comment_at(comments: dict[int, tuple[int, str, bool]], first: int, last: int) -> str:
    """The comment of what stands on lines `first` to `last`: beside its end and continued below, or on the lines above."""
    if last in comments and not comments[last][2]:
        column, text, _ = comments[last]
        while (last := last + 1) in comments and comments[last][2] and comments[last][0] == column:
            text += " " + comments[last][1]
        return text
    above = []
    while (first := first - 1) in comments and comments[first][2]:
        above.insert(0, comments[first][1])
    return " ".join(above)


def described(call: ast.expr | None) -> tuple[str | None, str]:
    """Default value and text of `Field(default=..., description=...)`, `typer.Option(...)` and the like; of other values just the default."""
    if call is None:
        return None, ""
    names = {"Field", "field", "Option", "Argument"}
    if not isinstance(call, ast.Call) or unparse(call.func).rpartition(".")[2] not in names:
        return unparse(call), ""
    keywords = {keyword.arg: keyword.value for keyword in call.keywords}
    text = next((ast.literal_eval(keywords[key]) for key in ("description", "help") if isinstance(keywords.get(key), ast.Constant)), "")
    default = keywords.get("default")
    if default is None and call.args and not (isinstance(call.args[0], ast.Constant) and isinstance(call.args[0].value, str) and text):
        default = call.args[0]
    factory = keywords.get("default_factory")
    if factory is not None:
        return (unparse(factory.body) if isinstance(factory, ast.Lambda) else f"{unparse(factory)}()"), text
    return (None if default is None or unparse(default) == "..." else unparse(default)), text


def typed(annotation: ast.expr | None) -> tuple[str, str]:
    """Type as written and, for `Annotated[T, Option(help=...)]`, `T` and the text."""
    if annotation is None:
        return "", ""
    if isinstance(annotation, ast.Subscript) and unparse(annotation.value).endswith("Annotated") and isinstance(annotation.slice, ast.Tuple):
        first, *rest = annotation.slice.elts
        return unparse(first), next((text for item in rest if (text := described(item)[1])), "")
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        return annotation.value, ""
    return unparse(annotation), ""


def parameters_of(node: Function, comments: dict, *, method: bool) -> list[Parameter]:
    """Parameters of a function with the comments beside them; without `self` or `cls` for a method."""
    spec = node.args
    positional = [*spec.posonlyargs, *spec.args]
    defaults: list[ast.expr | None] = [None] * (len(positional) - len(spec.defaults)) + list(spec.defaults)
    entries = list(zip(positional, defaults, [""] * len(positional), strict=True))
    if spec.vararg:
        entries.append((spec.vararg, None, "*"))
    elif spec.kwonlyargs:
        entries.append((ast.arg("", None, lineno=0, end_lineno=0), None, "*"))
    entries += [(arg, default, "") for arg, default in zip(spec.kwonlyargs, spec.kw_defaults, strict=True)]
    if spec.kwarg:
        entries.append((spec.kwarg, None, "**"))
    static = any(unparse(item) == "staticmethod" for item in node.decorator_list)
    if method and not static:
        entries = entries[1:]
    return_line = node.returns.lineno if node.returns else 0
    found = []
    for arg, default_node, kind in entries:
        kind_type, text = typed(arg.annotation)
        default, more = described(default_node)
        last = (default_node or arg).end_lineno or 0
        beside = comment_at(comments, arg.lineno, last) if last not in (0, return_line) else ""  # of several on a line, it is about each
        found.append(Parameter(arg.arg, kind_type, default, beside or text or more, kind))
    return found


def returned(node: Function, comments: dict) -> Parameter | None:
    """What a function returns, when it says so."""
    if node.returns is None or unparse(node.returns) == "None":
        return None
    line = node.returns.end_lineno or node.returns.lineno
    return Parameter("returns", typed(node.returns)[0], None, comment_at(comments, -1, line))


# Classes


def base_names(node: ast.ClassDef) -> list[str]:
    """Names of the bases, without their modules and type parameters."""
    return [unparse(base).split("[")[0].rpartition(".")[2] for base in node.bases]


def is_enum(node: ast.ClassDef) -> bool:
    """Whether the class is an enumeration."""
    return any(base.endswith(("Enum", "Flag")) for base in base_names(node))


def dataclass_options(node: ast.ClassDef) -> str | None:
    """The arguments of `@dataclass(...)`, or None where there is none."""
    for item in node.decorator_list:
        name = item.func if isinstance(item, ast.Call) else item
        if unparse(name).endswith("dataclass"):
            return ", ".join(unparse(keyword) for keyword in item.keywords) if isinstance(item, ast.Call) else ""
    return None


def has_field_signature(node: ast.ClassDef) -> bool:
    """Whether the class is made from its fields: dataclass, pydantic model, named tuple."""
    if any(isinstance(item, ast.FunctionDef) and item.name == "__init__" for item in node.body):
        return False
    return dataclass_options(node) is not None or any(base.endswith(FIELD_BASES) for base in base_names(node))


def fields_of(node: ast.ClassDef, comments: dict) -> list[Parameter]:
    """Annotated fields of a class; text from the comment, `Field(description=...)`, or the string below the field."""
    found = []
    for index, item in enumerate(node.body):
        if not isinstance(item, ast.AnnAssign) or not isinstance(item.target, ast.Name) or item.target.id.startswith(("_", "model_config")):
            continue
        kind, text = typed(item.annotation)
        default, more = described(item.value)
        below = node.body[index + 1] if index + 1 < len(node.body) else None
        if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant) and isinstance(below.value.value, str):
            text = text or " ".join(below.value.value.split())
        beside = comment_at(comments, item.lineno, item.end_lineno or item.lineno)
        found.append(Parameter(item.target.id, kind, default, beside or text or more))
    return found


def members_of(node: ast.ClassDef, comments: dict) -> list[Parameter]:
    """Members of an enumeration: name, value, comment."""
    found = []
    for item in node.body:
        if isinstance(item, ast.Assign) and isinstance(item.targets[0], ast.Name) and not item.targets[0].id.startswith("_"):
            text = comment_at(comments, item.lineno, item.end_lineno or item.lineno)
            found.append(Parameter(item.targets[0].id, "", unparse(item.value), text))
    return found


def class_note(node: ast.ClassDef) -> str:
    """One line that says what kind of class it is."""
    bases, options = base_names(node), dataclass_options(node)
    named = ", ".join(f"`{base}`" for base in bases)
    if is_enum(node):
        return f"Enumeration, {named}."
    if "Protocol" in bases:
        return "Protocol: any class that has these members will do."
    if options is not None:
        return ("Frozen dataclass" if "frozen=True" in options else "Dataclass") + (f", based on {named}." if bases else ".")
    return f"Based on {named}." if bases else ""


# Markdown


def bases_of(symbol: Symbol, find: Find) -> list[Symbol]:
    """The project's own classes that a class is based on, nearest first."""
    found: list[Symbol] = []
    for name in base_names(symbol.node):
        base = find(name)
        if base is not None and base is not symbol and isinstance(base.node, ast.ClassDef):
            found += [base, *bases_of(base, find)]
    return found


def constructor_of(symbol: Symbol, bases: list[Symbol]) -> list[Parameter]:
    """Parameters of a class's `__init__`, its own or inherited."""
    for owner in [symbol, *bases]:
        for member in owner.members:
            if member.node.name == "__init__":
                return parameters_of(member.node, comments_of(owner.source), method=True)
        if has_field_signature(owner.node):
            break
    return []


def all_fields(symbol: Symbol, bases: list[Symbol]) -> list[Parameter]:
    """Fields of a class, inherited ones first; a field that is declared again keeps its place and takes the new words."""
    found: dict[str, Parameter] = {}
    for owner in [*reversed(bases), symbol]:
        found |= {item.name: item for item in fields_of(owner.node, comments_of(owner.source))}
    return list(found.values())


def inherited(symbol: Symbol, bases: list[Symbol]) -> list[str]:
    """Names of public members that a class has from its bases, `TradingAccount.equity`."""
    own, found = {member.node.name for member in symbol.members}, {}
    for member in (member for base in bases for member in base.members):
        name = member.node.name
        if not name.startswith("_") and name not in own and not is_setter(member.node):
            found.setdefault(name, f"`{member.name}`")
    return list(found.values())


def cell(text: str) -> str:
    """Text for one cell of a Markdown table."""
    return text.replace("\n", " ").replace("|", "\\|").strip()


def code(text: str | None) -> str:
    """Code for one cell of a Markdown table, or nothing; what is short stays on one line."""
    if not text:
        return ""
    return f"`{cell(text)}`" if len(text) > MAX_UNBROKEN else f"`{cell(text).replace(' ', NO_BREAK)}`"


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    """A Markdown table without the columns that are empty in every row."""
    keep = [index for index in range(len(head)) if any(row[index] for row in rows)]
    if not rows:
        return []
    line = "| {} |".format
    picked = [" | ".join(row[index] for index in keep) for row in [head, tuple("---" for _ in head), *rows]]
    return [line(row) for row in picked] + [""]


def name_cell(text: str) -> str:
    """A name for the first column of a table; the double backticks keep it from becoming a link to a function of that name."""
    return f"`` {cell(text)} ``"


def parameter_table(head: str, entries: list[Parameter], result: Parameter | None = None) -> list[str]:
    """The table of parameters (or fields), with a last row for what is returned; none where no entry says anything."""
    entries = [entry for entry in entries if entry.name]
    if not any(entry.text for entry in [*entries, *([result] if result else [])]):
        return []
    rows = [(name_cell(entry.kind + entry.name), code(entry.type), code(entry.default), cell(entry.text)) for entry in entries]
    if result:
        rows.append(("*returns*", code(result.type), "", cell(result.text)))
    return table((head, "Type", "Default", "Description"), rows)


def arglist(entries: list[Parameter], *, types: bool = True) -> str:
    """Parameters as they stand between the brackets of a signature."""
    parts = []
    for entry in entries:
        text = entry.kind + entry.name + (f": {entry.type}" if types and entry.type and entry.name else "")
        if entry.default is not None:
            text += f" = {entry.default}" if types and entry.type else f"={entry.default}"
        parts.append(text)
    return ", ".join(parts)


def directive(kind: str, head: str, options: list[str], body: list[str], colons: int) -> list[str]:
    """A MyST directive as lines."""
    fence = ":" * colons
    return [f"{fence}{{py:{kind}}} {head}", *options, "", *body, fence, ""]


def docstring_of(node: Definition) -> list[str]:
    """The docstring as lines of Markdown."""
    text = ast.get_docstring(node)
    return [*inspect.cleandoc(text).split("\n"), ""] if text else []


def function_entry(symbol: Symbol, options: list[str], *, method: bool) -> list[str]:
    """Entry of a function or method."""
    node, comments = symbol.node, comments_of(symbol.source)
    decorators = {unparse(item).split("(")[0].rpartition(".")[2] for item in node.decorator_list}
    parameters, result = parameters_of(node, comments, method=method), returned(node, comments)
    body = docstring_of(node) + parameter_table("Parameter", parameters, result)
    if decorators & {"property", "cached_property"}:
        kind = [f":type: {result.type}"] if result and "\n" not in result.type else []
        return directive("property", symbol.name, [*options, *kind], body, 4)
    flags = [f":{name}:" for name in ("classmethod", "staticmethod", "abstractmethod") if name in decorators]
    if isinstance(node, ast.AsyncFunctionDef):
        flags.append(":async:")
    arrow = f" -> {result.type}" if result else ""
    head = f"{symbol.name}({arglist(parameters)}){arrow}"
    return directive("method" if method else "function", head, [*options, *flags], body, 4)


def class_head(symbol: Symbol, parameters: list[Parameter], fields: list[Parameter], bases: list[Symbol]) -> str:
    """Signature of a class: from `__init__`, or from the fields when there are few."""
    if parameters:
        return f"{symbol.name}({arglist(parameters)})"
    owners = [owner.node for owner in [symbol, *bases]]
    if not any(has_field_signature(node) for node in owners) or not 0 < len(fields) <= MAX_FIELDS_IN_SIGNATURE:
        return symbol.name
    positional = any(dataclass_options(node) is not None or "NamedTuple" in base_names(node) for node in owners)
    return f"{symbol.name}({arglist([*([] if positional else [Parameter('', kind='*')]), *fields], types=False)})"


def class_entry(symbol: Symbol, options: list[str], shown: set[str], find: Find) -> list[str]:
    """Entry of a class: what it is, its fields, its public methods (those in `shown` have an entry of their own elsewhere)."""
    node, bases = symbol.node, bases_of(symbol, find)
    parameters = constructor_of(symbol, bases)
    fields = [] if is_enum(node) else all_fields(symbol, bases)
    init = next((member.node for member in symbol.members if member.node.name == "__init__"), None)
    body = docstring_of(node) or (docstring_of(init) if init else [])
    notes = [class_note(node), "Inherits " + ", ".join(names) + "." if (names := inherited(symbol, bases)) else ""]
    body += [" ".join(filter(None, notes)), "", *parameter_table("Parameter", parameters)]
    if is_enum(node):
        members = members_of(node, comments_of(symbol.source))
        body += table(("Member", "Value", "Meaning"), [(name_cell(item.name), code(item.default), cell(item.text)) for item in members])
    rows = [(name_cell(item.name), code(item.type), code(item.default), cell(item.text)) for item in fields]
    body += table(("Field", "Type", "Default", "Description"), rows)
    for member in symbol.members:
        if documented(member) and member.name not in shown and not is_setter(member.node):
            body += function_entry(member, options, method=True)
    error = any(base.endswith(("Error", "Exception", "Warning")) for base in base_names(node))
    return directive("exception" if error else "class", class_head(symbol, parameters, fields, bases), options, body, 6)


def is_setter(node: Definition) -> bool:
    """Whether a method is the setter of a property, which has its entry already."""
    return any(unparse(item).endswith((".setter", ".deleter")) for item in node.decorator_list)


def documented(member: Symbol) -> bool:
    """Whether a member has an entry in its class: public, or special and with a docstring; `__init__` is the class's own."""
    name = member.node.name
    if name.startswith("__"):
        return name != "__init__" and ast.get_docstring(member.node) is not None
    return isinstance(member.node, ast.FunctionDef | ast.AsyncFunctionDef) and not name.startswith("_")


def entry(symbol: Symbol, shown: set[str], find: Find, *, index: bool = True) -> str:
    """The API entry of a symbol, as MyST Markdown; `find` gives the project's class of a name."""
    options = [] if index else [":no-index:"]
    if isinstance(symbol.node, ast.ClassDef):
        lines = class_entry(symbol, options, shown, find)
    else:
        lines = function_entry(symbol, options, method="." in symbol.name)
    return "\n".join([f":::{{py:currentmodule}} {symbol.module}", ":::", "", *lines])
