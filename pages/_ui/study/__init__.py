"""What the two pages of the user study draw with: the participant's steps and the study leader's tools."""
