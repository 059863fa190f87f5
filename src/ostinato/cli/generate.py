"""`ostinato generate`: text from a trained model."""

from __future__ import annotations

from pathlib import Path


def generate(
    run: Path,
    *,
    prompt: str = "\n",
    length: int = 1000,
    temperature: float = 0.8,
    top_k: int | None = None,
    top_p: float | None = None,
    seed: int = 0,
    cell: str | None = None,
) -> None:
    """Continue a text with a trained model.

    Args:
        run: folder of a run, whose best checkpoint is taken, or a checkpoint.
        prompt: the text to continue.
        length: how many characters to draw.
        temperature: below 1 more likely, above 1 more surprising text; 0: always the likeliest.
        top_k: draw from this many likeliest characters only.
        top_p: draw from the likeliest characters that together have this probability.
        seed: of the draws.
        cell: FILE.py:CLASS, if the model was trained with a cell of your own.
    """
    from ostinato.cli.continuation import continue_text
    from ostinato.train.build import load_trained

    options = {"temperature": temperature, "top_k": top_k, "top_p": top_p}
    pieces = continue_text(load_trained(run, cell), prompt, length, seed, **options)
    print(prompt.lstrip("\n"), end="", flush=True)
    for piece in pieces:
        print(piece, end="", flush=True)
    print()
