//! Fixture recipes, golden comparison and fake detectors, for tests only
