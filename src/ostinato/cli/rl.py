"""`ostinato rl`: an agent with a memory in an environment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from ostinato.train.rl.config import AgentConfig

if TYPE_CHECKING:
    from ostinato.train.rl.loop import AgentResult


def rl(environment: str, **options: Annotated[Any, AgentConfig]) -> None:
    """Let an agent with a memory learn to act.

    At the end it is evaluated and an episode of it recorded; so it is by --resume alone, if the
    run is over. Environments are t_maze, repeat_previous and masked_cart_pole, and those of other
    libraries, such as gymnasium:CartPole-v1 or popgym:RepeatPreviousEasy.

    Args:
        environment: in which it acts.
        options: the fields of AgentConfig.
    """
    from ostinato.train.early_stopping import StopReason
    from ostinato.train.rl.loop import train

    result = train(environment, AgentConfig(**options))
    if result.reason is StopReason.INTERRUPTED:
        print(f"Continue with the same options and --resume; everything is in {result.folder}.")
        raise KeyboardInterrupt
    print(f"{result.steps:,} steps in {result.seconds:.0f} s")
    print(f"return {result.evaluation}")
    _tell_files(result)


def _tell_files(result: AgentResult) -> None:
    films = {} if result.film is None else {"episode": result.film.path}
    files = films | {
        "checkpoint": result.checkpoint,
        "curve": result.curve,
        "table": result.folder / "curve.csv" if result.curve else None,
        "log": result.log,
        "summary": result.folder / "result.json",
    }
    for name, path in files.items():
        if path is not None:
            print(f"{name:11}{path}")
