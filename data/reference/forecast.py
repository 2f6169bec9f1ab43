#!/usr/bin/env python3
"""Reference numbers of the forecast's unit tests, from statsmodels, pymannkendall, scipy and numpy.

usage: pip install statsmodels pymannkendall; forecast.py

The series are arithmetic, so that the Rust tests write them down again. Made with statsmodels 0.15.0,
pymannkendall 1.4.3, scipy 1.17.1; the printed numbers stand in src/forecast/{slots,trend,interval,stats}.rs.
"""
import numpy as np
import pymannkendall as mk
from scipy import stats
from statsmodels.tsa.holtwinters import SimpleExpSmoothing

level = np.array([100 + t * 37 % 23 + 0.5 * t for t in range(40)])
print("simple exponential smoothing: alpha, next forecast, sum of absolute errors")
for alpha in (0.05, 0.2, 0.5):
    fit = SimpleExpSmoothing(level, initialization_method="known", initial_level=level[0]).fit(
        smoothing_level=alpha, optimized=False
    )
    print(alpha, float(fit.forecast(1)[0]), float(np.abs(level - fit.fittedvalues).sum()))

days = np.array([200 + 3 * (t * 5 % 7) + t * 11 % 5 + 0.8 * t + (400 if t == 20 else 0) for t in range(56)])
print("seasonal Kendall: slope per week, tau, median of the last week")
print(mk.seasonal_sens_slope(days, period=7).slope, mk.seasonal_test(days, period=7).Tau, np.median(days[-7:]))

print("Student's t over normal quantile: freedom, level, ratio")
for freedom in (2, 4, 10):
    for p in (0.9, 0.975, 0.99):
        print(freedom, p, stats.t.ppf(p, freedom) / stats.norm.ppf(p))

print("quantiles by Hyndman and Fan's rule 5")
print(np.quantile([1, 2, 4, 8], [0.05, 0.25, 0.5, 0.7, 0.9, 0.99], method="hazen"))
