"""`ostinato reproduce`: a paper's experiment."""

from __future__ import annotations

from pathlib import Path

from ostinato.experiments import find_experiment


def reproduce(
    slug: str,
    *,
    scale: str = "small",
    seeds: int = 3,
    out: Path | None = None,
    data: str | dict[str, str] | None = None,
    resume: bool = False,
    part: str | None = None,
) -> None:
    """Repeat a paper's experiment and compare with its numbers.

    The last line says whether every claim held. Both outcomes are results: the exit status is 0.

    Args:
        slug: which paper; `ostinato papers` lists them.
        scale: "small" takes minutes on two CPU cores, "paper" as much of the paper's as the data
            allow; some papers have more, and a name that is not known lists them.
        seeds: how many seeds each number is measured with.
        out: the folder for JSON, CSV and picture; none: runs/reproduce/SLUG-SCALE[-PART].
        data: data of your own in the place of what the experiment generates, if it can use any:
            a path, as its task takes it, or `--data.NAME PATH` where it can use several sets.
        resume: go on with a run that was ended: parts of it that were done, which lie in the
            folder "parts" of `out`, are not measured again.
        part: measure one part only, such as "speed", and compare its claims; a name that is not
            known lists those there are.
    """
    experiment = find_experiment(slug)
    from ostinato.experiments.kept import Kept
    from ostinato.experiments.report import progress, save, show

    folder = out or Path("runs/reproduce", "-".join(filter(None, (slug, scale, part))))
    run = {"slug": slug, "scale": scale, "seeds": seeds, "data": data}
    kept = Kept(folder / "parts", experiment.claims, run, resume)
    with progress() as track:
        result = experiment.run(scale, seeds, track, data, kept, part)
    for path in save(result, folder):
        print(path)
    show(experiment, result)
