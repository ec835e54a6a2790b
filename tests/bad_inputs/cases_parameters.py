"""Parameters and the command line: a mistake ends the run with one line before anything is made."""

from __future__ import annotations

from typing import get_type_hints

from catalogue import SHOP, Case, orders
from papermill.translators import PythonTranslator
from published import OnFresh, OnHostile, OnMonth, before_work, command, tells, text_of
from yaml.composer import Composer

from crm_analysis import methods
from crm_analysis.errors import ParameterError
from crm_analysis.params import build
from crm_analysis.sources.contract import read_contract

RUN = "params/run.yml or command line"
LINES = orders("A1,c1,2024-05-01,1,1.00", good=False)
# What is no month, and what would lead out of the folder of the reports.
NO_MONTHS = (
    "2024-13", "2024-00", "2024-1", "24-01", "202401", "2024-01-01", " 2024-01", "2024-01 ", "2024-01\n", "2024_01", "1_000-01",
    "0000-01", "9999-12", "２０２４-０１", "２０２４-01", "٢٠٢٤-٠١", "-2024-01", "latest", "True",
)  # fmt: skip
PATHS = ("../../x", "/abs", "CON", "..\\..", "a\0b", "2024-01/../../x", "'; DROP TABLE orders", "$(reboot)")


def refused(id: str, what: str, *overrides: str, code: str, column: str | None = None, **more: object) -> OnFresh:
    return OnFresh(id=id, what=what, run=command(*overrides), exit_code=2, code=code, column=column, **more)


def with_params(name: str, content: str | bytes | None, **more: object) -> OnFresh:
    """A parameter file of this content; without any it is missing."""

    def run(root):
        if content is None:
            (root.path / "params" / f"{name}.yml").unlink()
        return root.run()

    files = {} if content is None else {f"params/{name}.yml": content}
    return OnFresh(files=files, run=run, exit_code=2, **more)


def untag(cells: list[dict]) -> None:
    cells[1]["metadata"].pop("tags")


def same(found: object, wanted: object) -> None:
    assert found == wanted


def has_banner(root) -> None:
    (note,) = [one for one in root.manifest()["notes"] if one.startswith("The data end on 2024-06-")]
    assert all(note in text_of(root, f"{page}.html") for page in ("index", "quality", "ctb", "rfm"))


def every_threshold_has_bounds(_source) -> None:
    """Every number of every method's parameters refuses to be negative, and names itself and what stands there."""
    numbers = (int, float, int | None, float | None)
    found = [
        (method, name)
        for method in methods.names()
        for name, hint in get_type_hints(methods.load(method).Params).items()
        if hint in numbers
    ]
    assert len(found) > 30
    for method, name in found:
        try:
            build(methods.load(method).Params, {name: "-1"}, f"{method}.yml")
        except ParameterError as error:
            assert error.code == "E-PAR-3" and name in error.fix and "-1" in error.fix, error
        else:
            raise AssertionError(f"{method}.{name} may be -1")


def shares_end_at_one(_source) -> None:
    for method, name in (
        ("churn", "success_rate"),
        ("churn", "margin_rate"),
        ("ltv", "discount_rate"),
        ("ltv", "margin_rate"),
    ):
        try:
            build(methods.load(method).Params, {name: "1.2"}, f"{method}.yml")
        except ParameterError as error:
            assert error.code == "E-PAR-3" and name in error.fix and "1.2" in error.fix
        else:
            raise AssertionError(f"{name} may be 120 %")


def code_stays_text(_source) -> None:
    """What papermill writes into a notebook of hostile parameters gives the same values, and runs nothing."""
    found: dict = {}
    given = {
        "offer": {"department": "'); raise SystemExit(1) #"},
        "x": ["a'b\"c\\", "{{ x }}", "\n__import__('os').abort()"],
    }
    exec(PythonTranslator.codify({"method": given}), found)  # noqa: S102 (the code is papermill's)
    assert found["method"] == given


CASES = [
    OnFresh(
        id="A91",
        what="an unknown name is told with the nearest",
        run=tells(r"did you mean 'month'\?")(command("MNOTH=2026-10")),
        exit_code=2,
        code="E-PAR-1",
        column="mnoth",
        handler="crm_analysis.params:nearest",
        without=lambda *_: "",
    ),
    refused("A91", "an unknown method", "METHODS=rmf", code="E-PAR-1", column="methods"),
    with_params(
        "run", "source: sample\nmnoth: 2026-10\n", id="A91", what="an unknown name in run.yml", code="E-PAR-1",
        column="mnoth", rows="2",
    ),
    OnMonth(
        id="A92",
        what="a notebook without a cell tagged parameters",
        run=before_work(lambda root: (root.edit_notebook("quality", untag), root.run())),
        exit_code=2,
        code="E-PAR-4",
        file="notebooks/quality.ipynb",
        handler="crm_analysis.report.plan:_imported_methods",
        without=lambda *_: [],
    ),
    *(refused("A93", f"the month {month!a}", f"MONTH={month}", code="E-PAR-3", file=RUN) for month in NO_MONTHS),
    *(
        Case(
            id="A94", what=f"{written} is the text that stands there", contract=SHOP.replace("company: Test", f"company: {written}"),

            run=lambda source, written=written: same(read_contract(source.contract).company, written),
        )
        for written in ("no", "007", "010", "1.10", "12:30:45", "None", "NaN", "True", "1_000", "2024-05-01")
    ),
    *(
        with_params("rfm", f"k: {written}\n", id="A94", what=f"k: {written} is no whole number", code="E-PAR-2", column="k")
        for written in ("010", "5.0", "1_0", "５", "True", "None")
    ),
    with_params("run", "source: sample\nlanguage: en\nsource: x\n", id="A95", what="a key twice", code="E-PAR-2", rows="3"),
    with_params("rfm", "k: 4\nk: 5\n", id="A95", what="a key twice in a method's file", code="E-PAR-2", rows="2"),
    *(
        OnMonth(
            id="A96", what=f"{month}, which the data do not reach", exit_code=3, code="E-PER-1", column="month",
            run=tells("from 2023-11-.* to 2026-11-12")(command(f"MONTH={month}")),
        )
        for month in ("2023-10", "2026-12", "1999-01")
    ),
    OnMonth(
        id="A96",
        what="a month that still runs",
        run=tells("from 2023-11-.* to 2026-11-12, and 2026-11 .*PARTIAL=true")(command("MONTH=2026-11")),
        exit_code=3,
        code="E-PER-1",
        column="month",
        handler="crm_analysis.report.publish:resolve_month",
        without=lambda run, meta: "2026-10",
    ),
    OnHostile(
        id="A96",
        what="a month that still runs, asked for with partial: true, says so on every page",
        check=has_banner,
    ),
    refused("A97", "a day of analysis of its own, of which there is none", "AS_OF=2020-01-01", code="E-PAR-1", column="as_of"),
    *(
        with_params(method, content, id="A98", what=what, code="E-PAR-3")
        for method, content, what in (
            ("rfm", "recency_cuts_days: [60, 30, 90, 120]\n", "cuts out of order"),
            ("rfm", "recency_cuts_days: [30, 30, 90, 120]\n", "equal cuts"),
            ("rfm", "recency_cuts_days: [-30, 30, 90, 120]\n", "a negative cut"),
            ("ltv", "horizons_months: [12, 3, 24]\n", "horizons out of order"),
            ("ltv", "list_horizon_months: 6\n", "a list's horizon that is none of the horizons"),
        )
    ),
    OnFresh(
        id="A98",
        what="cuts out of order are named with both values",
        files={"params/rfm.yml": "recency_cuts_days: [60, 30, 90, 120]\n"},
        run=tells("recency_cuts_days .* 30 stands after 60")(command()),
        exit_code=2,
        code="E-PAR-3",
        file="params/rfm.yml",
        handler="crm_analysis.methods.rfm:check_rising",
        without=lambda *_: None,
    ),
    Case(id="A98", what="no threshold may be negative", run=every_threshold_has_bounds),
    Case(id="A98", what="no share may be above 1", run=shares_end_at_one),
    Case(
        id="A99", what="a currency that is none", contract=SHOP.replace("EUR", "XYZ"), files=LINES, exit_code=2, code="E-PAR-3",
    ),
    Case(
        id="A99", what="a time zone that is none", contract=SHOP.replace("Europe/Berlin", "Europe/Atlantis"), files=LINES,
        exit_code=2, code="E-PAR-3",
    ),
    refused("A99", "a language that is none", "LANGUAGE=tlh", code="E-PAR-3"),
    with_params("rfm", None, id="A100", what="a parameter file that is missing", code="E-PAR-2", file="params/rfm.yml"),
    OnFresh(
        id="A100",
        what="a parameter file that is a folder",
        run=lambda root: (
            (root.path / "params" / "rfm.yml").unlink(), (root.path / "params" / "rfm.yml").mkdir(), root.run(),
        ),
        exit_code=2,
        code="E-PAR-2",
    ),
    with_params(
        "rfm", "# " + "x" * (1 << 20), id="A100", what="a parameter file beyond a megabyte", code="E-PAR-2",
        handler="crm_analysis.params:MAX_BYTES", without=1 << 30,
    ),
    with_params("rfm", b"\x7fELF\x02\x01\x00\xff", id="A100", what="a binary parameter file", code="E-PAR-2"),
    *(refused("A130", f"the month {month!a}", f"MONTH={month}", code="E-PAR-3", file=RUN) for month in PATHS),
    refused("A130", "a source that leads out", "SOURCE=../sample", code="E-PAR-3"),
    refused("A130", "a method that leads out", "METHODS=../rfm", code="E-PAR-3"),
    with_params(
        "rfm", "k: !!python/object/apply:os.system [exit]\n", id="A132", what="YAML that makes an object", code="E-PAR-2",
    ),
    with_params(
        "rfm", "a: &a [x, x]\nb: &b [*a, *a]\nk: *b\n", id="A133", what="YAML that multiplies itself", code="E-PAR-2", rows="1",
        handler="crm_analysis.params:_Loader.compose_node", without=Composer.compose_node,
    ),
    refused("A135", "code as the name of a parameter", "__import__('os').abort()=1", code="E-PAR-1"),
    with_params("rfm", "k = 1 if True else 2: 3\n", id="A135", what="code as a name in a file", code="E-PAR-1"),
    Case(id="A135", what="code as the value of a parameter", run=code_stays_text),
]  # fmt: skip
