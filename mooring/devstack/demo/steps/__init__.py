"""The demo's steps, by subject; each is a function of the scene and the story, and prepares the scene for the next one."""
