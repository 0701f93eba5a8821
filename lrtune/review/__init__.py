"""The review floor: looks at frozen results, schedules and studies; never trains."""
