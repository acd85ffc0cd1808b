"""Dementia told from perfusion: classifiers of ImageNet that look at surface maps of Z."""
