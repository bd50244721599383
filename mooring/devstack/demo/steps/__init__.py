"""The demo's steps, by subject; each is a function of the scene and the story, and leaves the scene as the next one needs it."""
