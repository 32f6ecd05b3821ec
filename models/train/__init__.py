"""Trains one small I420-native network that restyles pictures after several paintings."""
