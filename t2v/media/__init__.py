"""Video files, segments for the browser and pictures: frames in, files out."""
