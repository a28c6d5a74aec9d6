"""Tests of legacy_ckpt.Saver."""
