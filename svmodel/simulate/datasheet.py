"""The datasheet that goes with a synthetic data set, after Gebru et al. (2021), Datasheets for Datasets."""

from __future__ import annotations

from svmodel import periods
from svmodel.simulate.process import Process
from svmodel.simulate.truth import Simulation

_EQUATIONS = {
    False: """For area i in month t, with population n_it and mean first population n:

    log m_it = log(mean) + log(n_it / n) + a_i + trend * t / 12 + season_t + dip_t + s_it
    a_i      : permanent level, normal with standard deviation level_sd, smooth over a map of the areas,
               centred so that E exp(a_i) = 1
    season_t = season * cos(2 pi (month - peak_month) / 12)
    s_it     = persistence * s_i,t-1 + e_it, standard deviation shock_sd, independent between areas,
               centred so that E exp(s_it) = 1
    Y0_it    ~ negative binomial with mean m_it and variance m_it + dispersion * m_it^2
    Y_it     = Y0_it, each event kept with probability theta_it (in treated cells; theta_it = effect
               once it has built up)""",
    True: """For area i in month t, effects and trends add up in events:

    m_it  = mean * (b_i + exp(common_t) - 1) * exp(s_it), b_i uniform around 1 with standard deviation level_sd
    Y0_it ~ negative binomial with mean m_it and variance m_it + dispersion * m_it^2
    Y_it  = Y0_it thinned so that its mean is m_it + (effect - 1) * mean * exp(s_it) in treated cells""",
}


def datasheet(simulation: Simulation, notice: str) -> str:
    """Return the datasheet of a simulation as Markdown.

    Parameters
    ----------
    simulation : Simulation
    notice : str
        The sentence that says the data are synthetic.
    """
    panel = simulation.panel
    starts = sorted(set(simulation.starts.values()))
    when = ", ".join(f"{sum(s == p for s in simulation.starts.values())} from {periods.label(p)}" for p in starts)
    span = f"{periods.label(panel.periods[0])} to {periods.label(panel.periods[-1])}"
    again = f"svmodel simulate {simulation.recipe} --out DIR --seed {simulation.seed}"
    untreated = [panel.label(p) for p in panel.reporting_areas if not set(panel.children(p)) & set(simulation.starts)]
    nowhere = f" No area was treated in {', '.join(untreated)}." if panel.parents and untreated else ""
    return "\n".join(
        [
            f"# SYNTHETIC DATA: {simulation.recipe}, seed {simulation.seed}",
            "",
            f"**{notice}**",
            "",
            "## Motivation",
            "",
            "To learn, test and show methods for evaluating violence reduction where the true effect is known. Real",
            "data never show what would have happened otherwise; here it is written in `truth.json`, area by area.",
            "",
            "## Composition",
            "",
            f"- {panel.n_areas} areas, {panel.n_periods} months, {span}; no value is missing.",
            *_where(simulation),
            f"- Outcomes: {', '.join(f'`{c}`' for c in panel.counts)}; exposure: `population` (persons).",
            f"- {simulation.intervention.name}: {len(simulation.starts)} areas ({when}), the rest never.{nowhere}",
            "- Files: `panel.parquet` (read with `svmodel.read_panel`), `starts.csv` (area, first treated month),",
            "  `truth.json`, this page. Each says that it is synthetic.",
            "",
            "## Process",
            "",
            _EQUATIONS[simulation.processes[0].additive],
            "",
            _table(simulation.processes),
            "",
            *_dips(simulation.processes),
            _selection(simulation),
            "",
            "## Known effects",
            "",
            "Over all treated area-months; negative, or a ratio below 1, means fewer harms. `recorded change` is what",
            "this draw of chance had; its expectation is `events`.",
            "",
            _effects(simulation),
            "",
            *_before_after(simulation),
            "## Recommended uses",
            "",
            "- Trying the package and its reports; teaching difference-in-differences, regression to the mean and",
            "  overdispersed counts; testing an estimator against the truth.",
            "- Not for anything about real places. Where real codes and names of local authorities occur, they only",
            "  make the reports readable.",
            "",
            "## Limits",
            "",
            "- Transient shocks are independent between areas: no displacement, no spillover, no common local events.",
            "- Recording never changes, nothing is missing or suppressed, and populations change smoothly.",
            "- Areas were " + _how_chosen(simulation),
            "",
            "## Maintenance",
            "",
            f"Made again, with the same values, by `{again}`. Licence: as svmodel (MIT).",
            "",
        ]
    )


def _where(simulation: Simulation) -> list[str]:
    panel = simulation.panel
    if not panel.parents:
        return []
    counts = ", ".join(f"{panel.label(p)} {len(panel.children(p))}" for p in panel.reporting_areas)
    return [
        f"- Reporting areas: {counts}. Codes like `{panel.areas[0]}` name synthetic small areas; no such code is real."
    ]


def _table(processes: tuple[Process, ...]) -> str:
    columns = ("mean", "dispersion", "effect", "build_up", "level_sd", "trend", "season", "peak_month")
    shocks = ("shock_sd", "shock_persistence", "shared")
    head = ["outcome", *columns, *shocks]
    rows = [[p.outcome, *(f"{getattr(p, c):g}" for c in (*columns, *shocks))] for p in processes]
    return _markdown(head, rows)


def _dips(processes: tuple[Process, ...]) -> list[str]:
    if not any(p.dips for p in processes):
        return []
    lines = [f"- {p.outcome}: {d.first} to {d.last} times {d.ratio:g}" for p in processes for d in p.dips]
    return ["Dips, declared (the months of the pandemic):", "", *lines, ""]


def _selection(simulation: Simulation) -> str:
    settings = simulation.settings
    first = simulation.processes[0].outcome
    if settings.get("selection") != "observed":
        return f"Treated areas were chosen by {settings.get('selection', 'lot')}."
    text = f"Treated areas were chosen on the highest recorded `{first}` over {settings['baseline']} months, "
    lag = settings.get("lag", 0)
    return text + f"{lag} months before the start: part of that high is transient, and fades by itself."


def _how_chosen(simulation: Simulation) -> str:
    if simulation.settings.get("selection") != "observed":
        return "not chosen on their recorded past, as real ones usually are."
    return (
        "chosen on a recorded high. Besides the naive comparison this moves every estimator\n  that takes the months"
        " before as they are, a little and towards a larger reduction;\n  `benchmarks/results/calibration.md` says how"
        " much."
    )


def _effects(simulation: Simulation) -> str:
    rows = []
    for outcome, truth in simulation.truth.items():
        e = truth.effect()
        rows.append(
            [
                outcome,
                f"{e.rate_ratio:.3f}",
                f"{e.per_100k:+.2f}",
                f"{e.events:+,.0f}",
                f"{e.recorded_change:+,}",
                f"{e.untreated:,.0f}",
            ]
        )
    head = ["outcome", "rate ratio", "per 100,000 a month", "events", "recorded change", "expected without"]
    return _markdown(head, rows)


def _before_after(simulation: Simulation) -> list[str]:
    settings = simulation.settings
    if settings.get("selection") != "observed":
        return []
    months, lag = int(settings.get("baseline", 12)), int(settings.get("lag", 0))
    rows = []
    for outcome, truth in simulation.truth.items():
        b = truth.before_after(months=months, lag=lag)
        ratios = (b.naive, b.without_effect, b.untreated_areas, b.regression_to_the_mean)
        rows.append([outcome, *(f"{r:.3f}" for r in ratios)])
    head = ["outcome", "treated, recorded", "treated, had nothing been done", "untreated", "regression to the mean"]
    return [
        f"What a naive comparison would say: events in the {months} months from each start over the {months} months",
        "that the areas were chosen on.",
        "",
        _markdown(head, rows),
        "",
    ]


def _markdown(head: list[str], rows: list[list[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])
