"""What the memory sees in a photo and does with it: looking, asking, trying, drawing."""
