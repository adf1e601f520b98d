"""When things run: schedules and sensors. What they start stands in `jobs`."""
