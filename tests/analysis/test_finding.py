from dataclasses import dataclass

import pytest

from ostinato.analysis.finding import Finding, Table


@dataclass(frozen=True)
class Squares(Finding):
    count: int

    def table(self):
        return Table(["n", "square"], [[n, n * n / 3] for n in range(self.count)])

    def draw(self, axes):
        axes.plot([n * n for n in range(self.count)])


def test_a_table_is_aligned_and_short():
    assert str(Squares(3)).splitlines() == ["n  square", "0       0", "1  0.3333", "2   1.333"]


def test_as_csv_it_keeps_all_digits():
    assert Squares(2).table().csv() == f"n,square\n0,0.0\n1,{1 / 3}\n"


def test_it_is_saved_with_a_picture(tmp_path):
    table, picture = Squares(3).save(tmp_path / "new", "squares")
    assert table.read_text() == Squares(3).table().csv()
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == [
        "squares.csv",
        "squares.png",
    ]


def test_a_finding_must_draw_and_tabulate():
    with pytest.raises(TypeError, match="abstract"):
        Finding()
