"""Measurements that anyone can repeat: `./dev bench [NAME ...]`. Ratios are taken side by side in one run; CPU
seconds, not wall times.
"""
