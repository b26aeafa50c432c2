"""Compares Olla with nginx and HAProxy on one machine, in one run. Start it with benches/run."""
