"""The build of the small student that ships with the kit: a LLaVA pre-trained from scratch on picturebook."""
