"""The build of the small student that ships with the kit: a real LLaVA, pre-trained from scratch on the picturebook world."""
