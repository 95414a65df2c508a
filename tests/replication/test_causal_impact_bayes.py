"""The two series of CausalImpact's comparison by the nested Laplace engine, against the output of R's package.

Ours are 20,000 draws. What is not R's: the slab does not scale with the noise, and priors are not cut off at the
series' variance; neither shows here.
"""

from svmodel.bayes import StructuralCounterfactual


def test_rs_answer_within_its_sampling_error(impact):
    impact.check(StructuralCounterfactual(family="gaussian", draws=20_000).fit(impact.design(), seed=1))


def test_the_prior_on_the_level_decides_the_width(impacts):
    design = impacts["google"].design()
    tight = StructuralCounterfactual(family="gaussian").fit(design)
    loose = StructuralCounterfactual(family="gaussian", level_sd=1.0, level_df=0.5).fit(design)
    ratio = loose.effect("att", "difference").std_error / tight.effect("att", "difference").std_error
    assert ratio > 3
