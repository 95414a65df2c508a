"""The two series of CausalImpact's comparison by Gibbs sampling, 8,000 draws, against the output of R's package."""

import svmodel as sv


def test_rs_answer_within_its_sampling_error(impact):
    told = impact.check(sv.counterfactual.StructuralTimeSeries(draws=2000, warmup=500).fit(impact.design()))
    assert told.p_value < 0.02


def test_the_prior_on_the_level_decides_the_width(impacts):
    design = impacts["google"].design()
    tight = sv.counterfactual.StructuralTimeSeries().fit(design)
    # the level is then let move as the data like; its variance mixes slowly, hence the draws
    loose = sv.counterfactual.StructuralTimeSeries(level_sd=1.0, level_df=0.5, draws=2000, warmup=1000).fit(design)
    ratio = loose.effect("att", "difference").std_error / tight.effect("att", "difference").std_error
    assert ratio > 3
