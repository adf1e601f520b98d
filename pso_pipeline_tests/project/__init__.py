"""The project as a whole: how it starts, what its pages say."""
