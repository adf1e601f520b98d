"""Tests of the files in `deploy/`, without Docker and without Kubernetes."""
