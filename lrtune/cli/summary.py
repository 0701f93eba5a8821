"""Print a search's result, for people or as JSON."""

from __future__ import annotations

import json

import click
from rich.table import Table
from rich.text import Text

from lrtune.cli.console import make_console
from lrtune.cli.flags import with_flags
from lrtune.export.estimator import estimator_line
from lrtune.export.hooks import function_line, schedule_line
from lrtune.export.provenance import recommend
from lrtune.review.study import Study
from lrtune.review.tables import validation_in_words
from lrtune.support.numbers import estimate, number
from lrtune.tuning.confirm.measurement import SURENESS
from lrtune.tuning.result import SearchResult


def print_result(result: SearchResult, *, as_json: bool, quiet: bool = False) -> None:
    """Print a result on standard output, and unless quiet its warnings on standard error.

    As JSON the warnings are part of it, and names are the command line's flags.
    """
    warnings = [with_flags(warning) for warning in result.warnings]
    if as_json:
        click.echo(json.dumps({**result.to_dict(), "warnings": warnings}, allow_nan=False))
        return
    _print_summary(result)
    for warning in () if quiet else warnings:
        click.echo(f"Note: {warning}.", err=True)


def _print_summary(result: SearchResult) -> None:
    console = make_console()
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    table.add_column(style="dim", overflow="fold")
    best = result.best
    table.add_row("learning_rate_init", Text(f"{best.learning_rate_init:.4g}", style="bold"), "")
    table.add_row("decay", Text(best.decay, style="bold"), "")
    if best.decay != "constant":
        table.add_row("decay_rate", Text(f"{best.decay_rate:.4g}", style="bold"), "per epoch")
    study, losses = Study(result), _confirmed if result.confirmation else _searched
    for name, value, remark in (*losses(study), *_further(study), *_spent(study)):
        table.add_row(Text(name), Text(value, style="bold"), Text(remark))
    audit = result.pruning_audit
    if audit is not None:
        value = f"{audit.lost} of the best {audit.best_tenth} lost"
        remark = f"{audit.finished} of {audit.pruned} pruned trials finished after all"
        table.add_row("pruning audit", Text(value, style="bold"), Text(remark))
    place = f"in {result.storage}" if result.storage else "not recorded"
    table.add_row("study", Text(study.name, style="bold"), Text(place))
    console.print(table)
    console.print(Text(f"\nUse it:  {_use(result)}"), soft_wrap=True)


def _use(result: SearchResult) -> str:
    origin = recommend(result)
    if result.facts.trainer.choice is not None:
        return f"result.module() in Python, or {schedule_line(origin)} in a loop of your own"
    if origin.is_function:
        return function_line(origin)
    if not origin.is_network:
        return f"the search's best_estimator_, or {schedule_line(origin)}"
    return estimator_line(origin) + (", or --save" if origin.preparation.is_table else "")


def _searched(study: Study) -> list[tuple[str, str, str]]:
    result, subject = study.result, study.subject
    what = f"{study.judged_on} after {study.epochs} epochs"
    scored = [(study.measured.row, number(study.in_search, 4), what)] if study.is_scored else []
    what += ", not confirmed" if subject.is_function else subject.unit
    return [*scored, (subject.row, number(result.search_loss, 4), what), *_score(study, "")]


def _score(study: Study, remark: str) -> list[tuple[str, str, str]]:
    """Return the score's row; none if there is no score."""
    name, score = study.measured.score, study.result.score
    return [] if name is None or score is None else [(name, f"{score:.3f}", remark)]


def _confirmed(study: Study) -> list[tuple[str, str, str]]:
    result, measured, confirmation = study.result, study.measured, study.confirmation
    assert confirmation is not None  # noqa: S101
    n = confirmation.replicates
    fresh = f"{n} fresh replicate{'' if n == 1 else 's'}"
    what = f"after {study.epochs} epochs, on {fresh}{measured.unit}; ± over {study.error_is_over}"
    chose = f"on the {study.n_replicates} that chose it"
    if study.has_fresh_replicates:
        chose = study.judged_on
    rows = [
        (measured.row, study.estimated(confirmation.recommended), what),
        ("  in the search", number(study.in_search, 4), chose),
    ]
    if confirmation.default is not None:
        rate = study.default_rate
        remarks = [] if rate is None else [f"at {rate:g}"]
        remarks += ["itself recommended"] if confirmation.keeps_default else []
        rows.append(("  untuned", study.estimated(confirmation.default), ", ".join(remarks)))
    if confirmation.baseline is not None:
        rows.append(("  DoG", study.estimated(confirmation.baseline), "without a learning rate"))
    if study.is_scored:
        rows.append((study.subject.row, result.describe_loss(), f"on {fresh}{study.subject.unit}"))
    rows += _score(study, f"on {fresh}")
    if result.safe_range is not None:
        low, high = result.safe_range
        is_measured = confirmation.safe_range_is_measured
        below, above = confirmation.profile.is_bounded if is_measured else (True, True)
        value = f"{'' if below else '≤ '}{low:.4g} to {'' if above else '≥ '}{high:.4g}"
        what = f"learning_rate_init that {measured.safe_briefly}, without divergence, "
        what += f"{100 * SURENESS:.1f} % sure" if is_measured else "by the model: not trained"
        rows.append(("safe range", value, what))
    rates = confirmation.profile.rates
    if confirmation.sensitivity is not None:
        span = "a tenth to tenfold learning_rate_init"
        if rates[-1] < 99 * rates[0]:
            span = f"learning_rate_init {number(rates[0])} to {number(rates[-1])}"
        remark = f"{measured.excess} from {span}, diverged as untrained"
        rows.append(("sensitivity", f"{confirmation.sensitivity:.3g}", remark))
    return rows


def _further(study: Study) -> list[tuple[str, str, str]]:
    """Return the rows of the rows held out, the balanced accuracy and the scores on a test."""
    rows, balance, test = [], study.result.balance, study.result.test
    held_out = validation_in_words(study)
    if held_out:
        rows.append(("validated on", held_out, ""))
    if balance is not None and balance.replicates:
        value = estimate(balance.balanced_accuracy, balance.se)
        rows.append(
            (
                "balanced accuracy",
                value,
                f"on {balance.replicates} fresh replicates; the largest class holds "
                f"{balance.share:.1%} of the rows",
            )
        )
    if test is None:
        return rows
    place = f"{test.rows} rows, trained on all rows of {study.dataset}"
    rows.append(("test", test.file, test.failure or place))
    names = {"loss": test.loss, str(study.subject.score): test.score}
    if test.metric is not None:
        names |= {test.metric: test.metric_score}
    return rows + [
        (f"  {name}", number(value, 4), "") for name, value in names.items() if value is not None
    ]


def _spent(study: Study) -> list[tuple[str, str, str]]:
    """Return the rows of trials by outcome, of the errors of those that failed, and of trainings.

    The last two are for a user's function, whose trainings are what costs time.
    """
    rows = [("trials", study.counts.describe(), f"{study.result.seconds.total:.1f} s")]
    rows += [("  failed", str(n), error) for error, n in study.failures.items()]
    if study.subject.is_function:
        rows.append(("trainings", str(study.result.trainings["total"]), study.trainings))
    choice = study.facts.trainer.choice
    if choice is not None:
        rows.append(("", "in lockstep" if choice.lockstep else "one by one", choice.reason))
    return rows
