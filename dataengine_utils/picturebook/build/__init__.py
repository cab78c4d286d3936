"""The build of the small student that ships with the kit: a real LLaVA, trained on picturebook alone."""
