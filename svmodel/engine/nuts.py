"""The second engine: the same model in PyMC, sampled by NUTS.

nutpie samples (Seyboldt, Carlson and Carpenter 2026 for its adaptation); where it is not installed PyMC itself does.
A model is compiled once in a process for each shape: another of the same shape brings only its numbers.
"""

from __future__ import annotations

import importlib.util
import threading
import warnings
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from svmodel.engine.description import LatentModel
from svmodel.engine.posterior import ENERGY, Posterior, from_trace
from svmodel.engine.pymc_form import PyMCForm
from svmodel.numerics.arrays import Floats

CHAINS = 4
#: nutpie's adaptation, by draws and gradients together, has settled long before PyMC's 1,000 steps.
TUNE = 500
#: Compiled models that are kept; the one that was asked for longest ago goes first.
_KEPT = 16
#: Chains that are not yet there but have an R-hat below this are run once more, so many times as long.
_NEARLY, _LONGER = 1.05, 3
#: Acceptance that step sizes aim at; where some diverged smaller steps, of which divergences that remain are real.
_ACCEPT, _CAREFUL = 0.9, 0.98
#: Share of transitions that may have diverged for a second run to be worth its time.
_FEW = 0.01
_COMPILED: OrderedDict[Hashable, Any] = OrderedDict()
_LOCK = threading.Lock()


def sample(model: LatentModel, *, draws: int = 4000, seed: int = 0, tune: int = TUNE) -> Posterior:
    """Sample a model's posterior with NUTS, in four chains.

    Parameters
    ----------
    model : LatentModel
    draws : int
        In all, shared between the chains; three times as many where a first run is nearly there, and in smaller steps
        where some of it diverged.
    seed : int
        The same seed gives the same draws on the same machine.
    tune : int
        Steps of each chain that adapt it and are thrown away.

    Returns
    -------
    Posterior
        Draws in the order of the chains. It may not have arrived: see
        :attr:`svmodel.engine.posterior.Convergence.problems`.

    References
    ----------
    Hoffman and Gelman (2014), *Journal of Machine Learning Research* 15, 1593-1623.

    Examples
    --------
    >>> import numpy as np
    >>> from svmodel.engine.description import LatentModel, Term
    >>> from svmodel.numerics.latent.structures import Fixed
    >>> rate = Term("rate", Fixed(0.0, 10.0), np.zeros((1, 1), dtype=int))
    >>> model = LatentModel(np.full((1, 20), 9.0), np.zeros((1, 20)), (rate,), "poisson")
    >>> posterior = sample(model, draws=2000, seed=1)
    >>> posterior.convergence.arrived, f"{np.exp(posterior.effects['rate']).mean():.0f}"
    (True, '9')
    """
    form = PyMCForm(model)
    found = _once(form, draws, tune, seed)
    if _longer_would_do(found):
        accept = _CAREFUL if found.convergence.divergences else _ACCEPT
        found = _once(form, _LONGER * draws, 2 * tune, seed, accept=accept)
    return found


def _once(form: PyMCForm, draws: int, tune: int, seed: int, accept: float = _ACCEPT) -> Posterior:
    each = -(-draws // CHAINS)
    if importlib.util.find_spec("nutpie") is None:
        trace, sampler = _by_pymc(form, each, tune, seed, accept), "pymc"
    else:
        trace, sampler = _by_nutpie(form, each, tune, seed, accept), "nutpie"
    details: dict[str, float | str] = {"draws": each * CHAINS, "chains": CHAINS, "tune": tune, "sampler": sampler}
    return from_trace(trace, form.model, form.effects, details=details)


def _longer_would_do(found: Posterior) -> bool:
    """Whether more and smaller steps may mend it: hardly any divergence, chains that have nearly met, sound energy."""
    convergence = found.convergence
    few = convergence.divergences <= _FEW * found.size
    return few and not convergence.arrived and convergence.energy >= ENERGY and convergence.r_hat < _NEARLY


def compiled_shapes() -> int:
    """Return how many shapes of models this process has compiled and kept."""
    return len(_COMPILED)


@contextmanager
def settled_imports() -> Iterator[None]:
    """Silence what PyTensor says of BLAS from pip and ArviZ of its next version: neither is about the model."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*BLAS.*", category=UserWarning)
        warnings.filterwarnings("ignore", message=r"\s*ArviZ is undergoing", category=FutureWarning)
        yield


@contextmanager
def _compiling() -> Iterator[None]:
    """Silence what compilers and samplers warn of: they speak to whoever wrote the code that they compile.

    numba says on a first compilation alone, and not from its cache, that an array could lie better in memory. Whether
    chains arrived is judged by :mod:`svmodel.engine.posterior`.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _by_nutpie(form: PyMCForm, draws: int, tune: int, seed: int, accept: float) -> Any:
    with settled_imports():
        import nutpie

        compiled, free = _compiled(form)
        ready = replace(
            _with_numbers(compiled, form),
            initial_point_func=_start(form, free),
        )
        with _compiling():
            return nutpie.sample(
                ready,
                draws=draws,
                tune=tune,
                chains=CHAINS,
                seed=seed,
                target_accept=accept,
                progress_bar=False,
                save_warmup=False,
            )


def _with_numbers(compiled: Any, form: PyMCForm) -> Any:
    """Return a compiled model with this model's numbers in every one of its shared variables.

    They are asked for by what the compiled functions hold, and not by nutpie's own keys, which since 0.16.11 are no
    names: one left over would be a number of the model that was compiled.
    """
    functions = (compiled.logp_func, compiled.expand_func)
    names = {variable.name for function in functions for variable in function.get_shared()}
    return compiled.with_data(**{name: form.data[name] for name in names})


def _compiled(form: PyMCForm) -> tuple[Any, list[tuple[str, int]]]:
    """Return the compiled model of this shape, and its free variables with their sizes in order."""
    import nutpie
    from pytensor.configdefaults import config

    with _LOCK:
        if form.key not in _COMPILED:
            # functions that run once need no C compiler; the density is compiled by numba whatever stands here
            with config.change_flags(mode="FAST_COMPILE"):
                built = form.build()
                # effects are worked out afterwards, from the free variables: to compile them takes longer than NUTS
                with _compiling():
                    made = nutpie.compile_pymc_model(built, var_names=tuple(form.model.hypers))
            free = [built.rvs_to_values[variable].name for variable in built.free_RVs]
            sizes = [int(np.prod(made.shapes[name], dtype=int)) for name in free]
            plain = [variable.name for variable in built.free_RVs]
            _COMPILED[form.key] = (made, list(zip(plain, sizes, strict=True)))
        _COMPILED.move_to_end(form.key)
        while len(_COMPILED) > _KEPT:
            _COMPILED.popitem(last=False)
        return _COMPILED[form.key]


def _start(form: PyMCForm, free: list[tuple[str, int]]) -> Callable[[int | None], Floats]:
    """Return where a chain begins, from its seed alone: never from the data of the model that was compiled."""
    centre = np.concatenate([np.broadcast_to(form.start[name], (size,)) for name, size in free])

    def begin(seed: int | None = None) -> Floats:
        return np.asarray(centre + np.random.default_rng(seed).uniform(-1.0, 1.0, len(centre)))

    return begin


def sample_built(built: Any, *, draws: int, tune: int, seed: int) -> Any:
    """Sample a ``pymc.Model`` that somebody else built: each variable under its name, in four chains.

    Parameters
    ----------
    built : pymc.Model
    draws : int
        In all, shared between the chains.
    tune : int
        Steps of each chain that adapt it and are thrown away.
    seed : int

    Returns
    -------
    InferenceData or DataTree
        For :mod:`svmodel.engine.posterior` alone to open.
    """
    each = -(-draws // CHAINS)
    with settled_imports():
        if importlib.util.find_spec("nutpie") is None:
            return _pymc_sample(built, each, tune, seed)
        import nutpie

        with _compiling():
            compiled = nutpie.compile_pymc_model(built)
            return nutpie.sample(
                compiled, draws=each, tune=tune, chains=CHAINS, seed=seed, progress_bar=False, save_warmup=False
            )


def _by_pymc(form: PyMCForm, draws: int, tune: int, seed: int, accept: float) -> Any:
    with settled_imports():
        return _pymc_sample(form.build(), draws, tune, seed, accept)


def _pymc_sample(built: Any, draws: int, tune: int, seed: int, accept: float = _ACCEPT) -> Any:
    import pymc as pm

    with built, _compiling():
        return pm.sample(
            draws=draws,
            tune=tune,
            chains=CHAINS,
            cores=1,
            random_seed=seed,
            target_accept=accept,
            progressbar=False,
            compute_convergence_checks=False,
        )
