"""Volumes of small structures: from scans to tables, from tables to groups, reliability and calibration."""
